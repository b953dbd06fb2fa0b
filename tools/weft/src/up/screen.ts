import { join } from "node:path";
import type { JsonValue, Log } from "@weft/kit";
import { parseLine, renderLine } from "../render.ts";
import { type Colour, type Paint, paintFor, type Terminal } from "../terminal.ts";
import { LogFile } from "./log-file.ts";

export interface ScreenOptions {
  readonly terminal: Terminal;
  readonly dataDir: string;
  /** Lines stay JSON. */
  readonly json: boolean;
  /** Names of all that will speak. */
  readonly names: readonly string[];
}

const colours: readonly Colour[] = ["cyan", "magenta", "blue", "yellow", "green"];
/** How `up` itself is called among its processes. */
const self = "weft";

/** What the processes say, on the terminal with a prefix each, and in a file each under `<dataDir>/logs`. */
export class Screen implements Disposable {
  readonly paint: Paint;
  readonly #options: ScreenOptions;
  readonly #files = new Map<string, LogFile>();
  readonly #width: number;

  constructor(options: ScreenOptions) {
    this.#options = options;
    this.paint = paintFor(options.terminal.stdout, options.terminal.env);
    this.#width = Math.max(...[self, ...options.names].map((name) => name.length));
  }

  /** A line of a process, as it came. `file` is `<service>-<n>`. */
  line(name: string, file: string, line: string): void {
    this.#fileOf(file).append(line);
    if (this.#options.json) this.#write(parseLine(line) === undefined ? asEntry(name, line) : line);
    else this.#print(name, renderLine(line, this.paint));
  }

  /** The log of something that `up` runs within itself. */
  logOf(name: string): Log {
    const write = (level: string, fields: object, msg: string): void => {
      const entry = { level, time: new Date().toISOString(), service: name, ...fields, msg };
      this.line(name, `${name}-1`, JSON.stringify(entry));
    };
    return {
      debug: () => undefined,
      info: (fields, message) => write("info", fields, message),
      warn: (fields, message) => write("warn", fields, message),
      error: (fields, message) => write("error", fields, message),
    };
  }

  /** A line of `up` itself; the fields are for programs, and the message says it all to people. */
  say(level: "info" | "warn" | "error", message: string, fields: Readonly<Record<string, JsonValue>> = {}): void {
    const entry = { level, time: new Date().toISOString(), service: self };
    const line = JSON.stringify({ ...entry, ...fields, msg: message });
    this.#fileOf(`${self}-1`).append(line);
    if (this.#options.json) this.#write(line);
    else this.#print(self, renderLine(JSON.stringify({ ...entry, msg: message }), this.paint));
  }

  /** Text for people alone. */
  show(lines: readonly string[]): void {
    if (!this.#options.json) this.#write(lines.join("\n"));
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.values()) file[Symbol.dispose]();
  }

  #fileOf(name: string): LogFile {
    let file = this.#files.get(name);
    if (file === undefined) {
      file = new LogFile(join(this.#options.dataDir, "logs", `${name}.log`));
      this.#files.set(name, file);
    }
    return file;
  }

  #print(name: string, text: string): void {
    for (const part of text.split("\n")) this.#write(`${this.#prefix(name)} ${part}`);
  }

  #write(line: string): void {
    this.#options.terminal.stdout.write(`${line}\n`);
  }

  #prefix(name: string): string {
    const index = this.#options.names.indexOf(name);
    const colour = index < 0 ? "bold" : (colours[index % colours.length] ?? "cyan");
    return this.paint(colour, `${name.padEnd(this.#width)} │`);
  }
}

function asEntry(service: string, msg: string): string {
  return JSON.stringify({ level: "info", service, msg });
}
