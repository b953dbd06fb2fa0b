import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Size at which a file is put aside, in bytes, and how many of those are kept. */
const maxBytes = 8 * 1024 * 1024;
const keptFiles = 3;

/** A file of lines with a bounded size: `x.log`, then the older `x.log.1` to `x.log.3`. */
export class LogFile implements Disposable {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number;
  #bytes: number;

  constructor(path: string, options: { readonly maxBytes?: number } = {}) {
    this.#path = path;
    this.#maxBytes = options.maxBytes ?? maxBytes;
    mkdirSync(dirname(path), { recursive: true });
    this.#fd = openSync(path, "a", 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }

  append(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) this.#rotate();
    writeSync(this.#fd, bytes);
    this.#bytes += bytes.length;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #rotate(): void {
    closeSync(this.#fd);
    rmSync(`${this.#path}.${keptFiles}`, { force: true });
    for (let age = keptFiles - 1; age >= 0; age -= 1) {
      const name = age === 0 ? this.#path : `${this.#path}.${age}`;
      try {
        renameSync(name, `${this.#path}.${age + 1}`);
      } catch {
        // Not that many yet.
      }
    }
    this.#fd = openSync(this.#path, "a", 0o600);
    this.#bytes = 0;
  }
}
