import type { ConfigurationItem } from "@weft/configuration";
import type { CommonFlags } from "../cli.ts";
import type { Terminal } from "../terminal.ts";
import { isWithin, withStore } from "./store.ts";

/** Prints what is set and each change of it, until Ctrl-C. */
export function watchCommand(name: string | undefined, flags: CommonFlags, terminal: Terminal): Promise<number> {
  return withStore(flags, terminal, async (store) => {
    const { stdout } = terminal;
    const print = (key: string, value: string | undefined): void => {
      if (flags.json === true) stdout.write(`${JSON.stringify({ name: key, value: value ?? null })}\n`);
      else stdout.write(value === undefined ? `${key} is not set any more\n` : `${key} = ${value}\n`);
    };
    const stop = new AbortController();
    const onSignal = (): void => stop.abort();
    process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
    try {
      let before: ReadonlyMap<string, ConfigurationItem> = new Map();
      for await (const { items } of store.watch([], stop.signal)) {
        for (const [key, { value, version }] of items) {
          if (isWithin(key, name) && before.get(key)?.version !== version) print(key, value);
        }
        for (const key of before.keys()) if (isWithin(key, name) && !items.has(key)) print(key, undefined);
        before = items;
      }
    } finally {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    }
  });
}
