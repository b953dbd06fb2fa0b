import { type Setting, WeftError } from "@weft/kit";
import { commonSettings, problemsOfItem } from "@weft/service/config";
import type { Terminal } from "../terminal.ts";
import { knownServices } from "../up/processes.ts";
import type { SetFlags } from "./commands.ts";
import { withStore } from "./store.ts";

/** Sets a setting in the configuration block, or takes it away. */
export function setCommand(
  name: string,
  value: string | undefined,
  flags: SetFlags,
  terminal: Terminal,
): Promise<number> {
  return withStore(flags, terminal, async (store) => {
    if (value !== undefined && flags.unchecked !== true) await check(name, value);
    await store.set(name, value);
    const { stdout } = terminal;
    if (flags.json === true) stdout.write(`${JSON.stringify({ name, value: value ?? null })}\n`);
    else stdout.write(value === undefined ? `${name} is not set any more\n` : `${name} = ${value}\n`);
  });
}

/** `INVALID_ARGUMENT` for what processes would pass over with a warning. */
async function check(name: string, value: string): Promise<void> {
  const services = await knownServices();
  const all: Setting<unknown>[] = [commonSettings, ...services.map(({ settings }) => settings)].flatMap((one) =>
    Object.values(one),
  );
  const problems = problemsOfItem(name, value, new Map(all.map((one) => [one.name, one])));
  if (problems.length > 0) throw new WeftError("INVALID_ARGUMENT", problems.join("\n"));
}
