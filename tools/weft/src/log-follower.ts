import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { parseLine } from "./render.ts";

/** A line of a log file. */
export interface Line {
  /** `user-1` */
  readonly name: string;
  readonly text: string;
  /** ISO 8601; that of the line before for text without a time. */
  readonly time: string;
}

const chunkBytes = 64 * 1024;

/** Reads what is new in a log file, also when the file was put aside and begun anew. */
export class Follower {
  readonly name: string;
  readonly #path: string;
  #inode = 0;
  #offset = 0;
  #rest = "";
  #decoder = new StringDecoder("utf8");
  #time = "";

  constructor(folder: string, name: string) {
    this.name = name;
    this.#path = join(folder, `${name}.log`);
  }

  read(): Line[] {
    const lines: Line[] = [];
    const inode = existsSync(this.#path) ? statSync(this.#path).ino : 0;
    if (inode === 0) return lines;
    // What was written to the old one after the last look is read from where it lies now.
    if (this.#inode !== 0 && inode !== this.#inode) this.#readFrom(`${this.#path}.1`, lines);
    if (inode !== this.#inode) {
      this.#inode = inode;
      this.#offset = 0;
      this.#rest = "";
      this.#decoder = new StringDecoder("utf8");
    }
    this.#readFrom(this.#path, lines);
    return lines;
  }

  #readFrom(path: string, lines: Line[]): void {
    if (!existsSync(path)) return;
    const fd = openSync(path, "r");
    try {
      if (fstatSync(fd).ino !== this.#inode) return;
      const chunk = Buffer.alloc(chunkBytes);
      for (let size = 1; size > 0;) {
        size = readSync(fd, chunk, 0, chunkBytes, this.#offset);
        this.#offset += size;
        this.#rest += this.#decoder.write(chunk.subarray(0, size));
        const parts = this.#rest.split("\n");
        this.#rest = parts.pop() ?? "";
        for (const text of parts) lines.push(this.#lineOf(text));
      }
    } finally {
      closeSync(fd);
    }
  }

  #lineOf(text: string): Line {
    this.#time = timeOf(text) ?? this.#time;
    return { name: this.name, text, time: this.#time };
  }
}

/** When a line was written, where it says so. */
export function timeOf(text: string): string | undefined {
  const time = parseLine(text)?.["time"];
  return typeof time === "string" ? time : undefined;
}
