import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Event } from "@weft/contracts/events";
import { systemClock, WeftError } from "@weft/kit";
import { paintFor, type Terminal } from "../terminal.ts";
import { type EventsAccess, topicOf, withEvents } from "./client.ts";
import type { TailFlags } from "./commands.ts";
import { eventJson, fullType, payloadText, plain, shortType, timeText } from "./event-json.ts";

/** A stream that broke off is asked for again after so long, in milliseconds, and so often before the first event. */
const pauseMs = 1000;
const maxTries = 30;

/** Prints the events of a topic, and goes on if asked to. Ctrl-C ends it well. */
export function tailCommand(topic: string | undefined, flags: TailFlags, terminal: Terminal): Promise<number> {
  return withEvents(flags, terminal, async (access) => {
    const stop = new AbortController();
    const onSignal = (): void => stop.abort();
    process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
    try {
      const print = printer(flags, terminal);
      for await (const event of eventsOf(access, await topicOf(access, topic), flags, stop.signal)) print(event);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    }
  });
}

/**
 * The events that are asked for, each once. While they are followed, a process that is replaced, or the longest time of
 * a stream, is no end: they are read again from the start, and those that were seen are left out.
 */
async function* eventsOf(
  { events, options }: EventsAccess,
  topic: string,
  flags: TailFlags,
  signal: AbortSignal,
): AsyncGenerator<Event> {
  const { key = "", type, follow = false } = flags;
  const start = startOf(flags);
  const request = { topic, key, type: type === undefined ? "" : fullType(type), follow };
  const seen = new Map<number, bigint>();
  let since = start;
  for (let tries = 1; ; tries += 1) {
    const asked = { ...request, ...(since === undefined ? {} : { from: since }) };
    const begunAt = systemClock.now();
    try {
      for await (const { event } of events.tail(asked, { ...options, signal })) {
        if (event === undefined || event.offset <= (seen.get(event.partition) ?? -1n)) continue;
        seen.set(event.partition, event.offset);
        tries = 0;
        yield event;
      }
      return;
    } catch (error) {
      const goesOn = follow && flags.timeout === undefined && WeftError.from(error).retryable && tries < maxTries;
      if (signal.aborted || !goesOn) throw error;
    }
    since ??= timestampFromMs(begunAt);
    await systemClock.sleep(pauseMs, signal);
  }
}

function startOf({ from }: TailFlags): Timestamp | undefined {
  return from === undefined ? undefined : timestampFromMs(from);
}

function printer(flags: TailFlags, { stdout, env }: Terminal): (event: Event) => void {
  if (flags.json === true) return (event) => void stdout.write(`${JSON.stringify(eventJson(event))}\n`);
  const paint = paintFor(stdout, env);
  return (event) => {
    const { partition, offset, type, key, version, publishTime, time } = event;
    const place = paint("dim", `${timeText(publishTime ?? time)} ${partition}@${offset}`);
    const what = `${paint("cyan", plain(shortType(type)))} ${plain(key)}${version === 0n ? "" : ` v${version}`}`;
    stdout.write(`${place} ${what} ${plain(payloadText(event))}\n`);
  };
}
