import { type Log, silentLog, WeftError } from "@weft/kit";
import { machineOf, type MachineOptions } from "./machine.ts";
import type { Installed, ServerName } from "./recipe.ts";
import { recipes } from "./recipes.ts";

/** What keeps a server from being started on this machine. */
export interface MissingServer {
  /** What is not there and how to get it, in a sentence. */
  readonly sentence: string;
  /** Whether {@link install} can get it. */
  readonly isInstallable: boolean;
}

/** Undefined when the server can be started as it is. Changes nothing. */
export async function whatIsMissing(
  name: ServerName,
  options: MachineOptions = {},
): Promise<MissingServer | undefined> {
  const found = await recipes[name].find(machineOf(options));
  return "prepare" in found ? undefined : { sentence: found.missing, isInstallable: found.install !== undefined };
}

/** Has a server installed, and resolves when it is. `FAILED_PRECONDITION` when that takes something done by hand. */
export async function install(
  name: ServerName,
  options: MachineOptions & { readonly log?: Log } = {},
): Promise<Installed> {
  const machine = machineOf(options);
  const before = await recipes[name].find(machine);
  if ("prepare" in before) return before;
  if (before.install === undefined) throw new WeftError("FAILED_PRECONDITION", before.missing);
  await before.install(options.log ?? silentLog);
  const after = await recipes[name].find(machine);
  if ("prepare" in after) return after;
  throw new WeftError("UNAVAILABLE", `${name} was installed, and is not found: ${after.missing}`);
}
