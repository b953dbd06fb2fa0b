import type { CommonFlags } from "../cli.ts";
import type { Terminal } from "../terminal.ts";

/** Says what was done: `text` to people, with `--json` the result to programs. */
export function tell(
  result: Readonly<Record<string, number>>,
  text: string,
  flags: CommonFlags,
  terminal: Terminal,
): void {
  terminal.stdout.write(`${flags.json === true ? JSON.stringify(result) : text}\n`);
}
