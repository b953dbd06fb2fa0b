import { Blocks, openConfiguration } from "@weft/blocks";
import type { ConfigurationStore } from "@weft/configuration";
import { blockUrlsOf } from "@weft/service/config";
import { reportErrors } from "../access.ts";
import type { CommonFlags } from "../cli.ts";
import type { Terminal } from "../terminal.ts";
import { readLookConfig } from "../up/config.ts";

/** Runs a command on the configuration block of the mesh; the exit code. */
export function withStore(
  flags: CommonFlags,
  terminal: Terminal,
  run: (store: ConfigurationStore) => Promise<void>,
): Promise<number> {
  return reportErrors(flags, terminal, async () => {
    await using stack = new AsyncDisposableStack();
    const config = readLookConfig(flags, terminal);
    await run(await openConfiguration(new Blocks({ dataDir: config.dataDir, urls: blockUrlsOf(config), stack })));
  });
}

/** Whether a key is a setting of this name, or a part of it. */
export function isWithin(key: string, name: string | undefined): boolean {
  return name === undefined || key === name || key.startsWith(`${name}.`);
}
