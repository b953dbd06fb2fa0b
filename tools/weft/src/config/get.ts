import type { CommonFlags } from "../cli.ts";
import { paintFor, table, type Terminal } from "../terminal.ts";
import { isWithin, withStore } from "./store.ts";

/** Prints what the configuration block holds of a setting, or all of it. */
export function getCommand(name: string | undefined, flags: CommonFlags, terminal: Terminal): Promise<number> {
  return withStore(flags, terminal, async (store) => {
    const { stdout, env } = terminal;
    const held = [...(await store.get([]))].filter(([key]) => isWithin(key, name)).sort(([a], [b]) => (a < b ? -1 : 1));
    if (flags.json === true) {
      const settings = held.map(([key, { value }]) => ({ name: key, value }));
      return void stdout.write(`${JSON.stringify({ settings })}\n`);
    }
    if (held.length === 0) {
      const what = name === undefined ? "nothing is set" : `${name} is not set`;
      return void stdout.write(`${what}: each process has what it was started with\n`);
    }
    const [head = "", ...lines] = table([["SETTING", "VALUE"], ...held.map(([key, { value }]) => [key, value])]);
    stdout.write(`${[paintFor(stdout, env)("dim", head), ...lines].join("\n")}\n`);
  });
}
