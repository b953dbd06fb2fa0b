import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Size at which a file is put aside, in bytes, and how many of those are kept. */
const maxBytes = 8 * 1024 * 1024;
const keptFiles = 3;

/**
 * A file of lines with a bounded size: `x.log`, then the older `x.log.1` to `x.log.3`. Lines that can't be written (a
 * full disk, say) are left out: a log is no reason to end what it tells of.
 */
export class LogFile implements Disposable {
  readonly #path: string;
  readonly #maxBytes: number;
  /** Undefined while there is no file to write to. */
  #fd: number | undefined;
  #bytes = 0;

  constructor(path: string, options: { readonly maxBytes?: number } = {}) {
    this.#path = path;
    this.#maxBytes = options.maxBytes ?? maxBytes;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  }

  append(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    try {
      this.#fd ??= this.#open();
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) this.#fd = this.#rotate(this.#fd);
      this.#bytes += writeSync(this.#fd, bytes);
    } catch {
      // The next line tries again.
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    const fd = openSync(this.#path, "a", 0o600);
    this.#bytes = fstatSync(fd).size;
    return fd;
  }

  #rotate(full: number): number {
    // Forgotten first: its number may soon be another file's.
    this.#fd = undefined;
    closeSync(full);
    rmSync(`${this.#path}.${keptFiles}`, { force: true });
    for (let age = keptFiles - 1; age >= 0; age -= 1) {
      const name = age === 0 ? this.#path : `${this.#path}.${age}`;
      try {
        renameSync(name, `${this.#path}.${age + 1}`);
      } catch {
        // Not that many yet.
      }
    }
    return this.#open();
  }
}
