import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Terminal } from "../terminal.ts";
import { topicOf, withEvents } from "./client.ts";
import type { ReplayFlags } from "./commands.ts";
import { tell } from "./tell.ts";

/** Delivers what is in the log to a group again. */
export function replayCommand(flags: ReplayFlags, terminal: Terminal): Promise<number> {
  return withEvents(flags, terminal, async (access) => {
    const { group, from, to, key = "", event: eventId = "" } = flags;
    const topic = await topicOf(access, flags.topic);
    const until = to === undefined ? {} : { to: timestampFromMs(to) };
    const request = { topic, group, from: timestampFromMs(from), ...until, key, eventId };
    const { replayed } = await access.events.replay(request, access.options);
    tell({ replayed }, `events of ${topic} replayed to ${group}: ${replayed}`, flags, terminal);
  });
}
