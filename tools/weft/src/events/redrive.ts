import { WeftError } from "@weft/kit";
import type { Terminal } from "../terminal.ts";
import { topicOf, withEvents } from "./client.ts";
import type { RedriveFlags } from "./commands.ts";
import { tell } from "./tell.ts";

/** Delivers dead letters again: those that are told, or with `--all` each of the group. */
export function redriveCommand(flags: RedriveFlags, terminal: Terminal): Promise<number> {
  return withEvents(flags, terminal, async (access) => {
    const { group, event: eventId = "", key = "", reason = "", all } = flags;
    if (all !== true && `${eventId}${key}${reason}` === "") {
      throw new WeftError("INVALID_ARGUMENT", "say which: --event, --key or --reason, or --all");
    }
    const topic = await topicOf(access, flags.topic);
    const { redriven } = await access.events.redrive({ topic, group, eventId, key, reason }, access.options);
    tell({ redriven }, `dead letters of ${topic} redriven to ${group}: ${redriven}`, flags, terminal);
  });
}
