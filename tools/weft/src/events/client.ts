import { EventsService } from "@weft/contracts/events";
import { isWeftError, WeftError } from "@weft/kit";
import { type Client, createClient } from "@weft/rpc";
import { type Access, openAccess, reportErrors } from "../access.ts";
import { findMethod } from "../call.ts";
import type { AccessFlags } from "../cli.ts";
import type { Terminal } from "../terminal.ts";

/** A command's way to the events of a mesh. */
export interface EventsAccess {
  readonly events: Client<typeof EventsService>;
  readonly options: Access["options"];
}

/** Runs a command on the events of a mesh; the exit code. */
export function withEvents(
  flags: AccessFlags,
  terminal: Terminal,
  run: (access: EventsAccess) => Promise<void>,
): Promise<number> {
  return reportErrors(flags, terminal, async () => {
    await using stack = new AsyncDisposableStack();
    const { target } = findMethod(`${EventsService.typeName}/Tail`);
    const { transport, options } = await openAccess(target, flags, terminal, stack);
    await asAdministrator(run({ events: createClient(EventsService, transport), options }));
  });
}

/** The topic that is named, or the only one there is: `NOT_FOUND` without any, `INVALID_ARGUMENT` when it has to be named. */
export async function topicOf({ events, options }: EventsAccess, name: string | undefined): Promise<string> {
  // Also for one that is named: a mesh that is away, or lets nobody in, is to be told before anything is followed.
  const { topics } = await events.listTopics({}, options);
  const names = topics.map(({ topic }) => topic);
  const [only, second] = names;
  if (name !== undefined) return name;
  if (only === undefined) throw new WeftError("NOT_FOUND", "there is no topic yet");
  if (second !== undefined) throw new WeftError("INVALID_ARGUMENT", `name one of the topics: ${names.join(", ")}`);
  return only;
}

/** Says who may do it: all of it is an administrator's. */
export async function asAdministrator<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isWeftError(error, "PERMISSION_DENIED")) throw error;
    throw new WeftError("PERMISSION_DENIED", "only an administrator may do this", { cause: error });
  }
}
