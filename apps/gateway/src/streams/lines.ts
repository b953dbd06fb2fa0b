/** A line of an upload, without its end. */
export type Line =
  | { readonly number: number; readonly bytes: Buffer }
  /** Longer than the limit; its text was thrown away. */
  | { readonly number: number; readonly tooLong: true };

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Cuts a byte stream into lines, ended by LF or CRLF; the last one may lack its end. Blank lines are left out, but
 * counted: numbers, from 1, are those that an editor shows. Holds at most `maxBytes` and the current chunk.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  #number = 0;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #skipping = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that `chunk` completes. They share its memory. */
  *push(chunk: Buffer): Generator<Line> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(lineFeed, start);
      if (end < 0) break;
      const line = this.#take(chunk.subarray(start, end));
      start = end + 1;
      if (line !== undefined) yield line;
    }
    this.#keep(chunk.subarray(start));
  }

  /** The last line, where it has no end. */
  *end(): Generator<Line> {
    if (this.#pendingBytes === 0 && !this.#skipping) return;
    const line = this.#take(Buffer.alloc(0));
    if (line !== undefined) yield line;
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0 || this.#skipping) return;
    this.#pendingBytes += piece.length;
    // One more for the carriage return of a line that is just short enough.
    if (this.#pendingBytes > this.#maxBytes + 1) {
      this.#skipping = true;
      this.#pending = [];
    } else {
      // The chunk's memory is its own: node reads each into a new buffer.
      this.#pending.push(piece);
    }
  }

  #take(piece: Buffer): Line | undefined {
    this.#keep(piece);
    const tooLong = this.#skipping;
    const [only] = this.#pending;
    const whole = only !== undefined && this.#pending.length === 1 ? only : Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#skipping = false;
    this.#number += 1;
    const number = this.#number;
    if (tooLong) return { number, tooLong: true };
    const bytes = whole.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole;
    if (bytes.length > this.#maxBytes) return { number, tooLong: true };
    return isBlank(bytes) ? undefined : { number, bytes };
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === carriageReturn);
}
