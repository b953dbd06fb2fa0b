import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { EventsService, type TailRequest } from "@weft/contracts/events";
import { type Log, WeftError } from "@weft/kit";
import type { PubSub, ReadOptions, StoredEvent } from "@weft/pubsub";
import { type CallContext, implement, type ServiceImplementation } from "@weft/rpc";
import { toDeadLetter, toInt32, toStored } from "./convert.ts";
import { listDeadLetters } from "./dead-letters.ts";
import { lagOf } from "./lag.ts";
import { findReaders } from "./readers.ts";

/** What the service works with. */
export interface EventsContext {
  readonly pubsub: Pick<PubSub, "topics" | "read" | "lag" | "parked" | "deadLetters" | "redrive" | "replay">;
  /** Hears who had what delivered again. */
  readonly log: Log;
}

/** `weft.events.v1.EventsService` over a port of publish/subscribe. */
export function eventsService({ pubsub, log }: EventsContext): ServiceImplementation {
  return implement(EventsService, {
    listTopics: async () => ({
      topics: (await pubsub.topics()).map((info) => ({ ...info, groups: [...info.groups] })),
    }),
    async *tail(request, context) {
      await findReaders(pubsub, { topic: request.topic, group: "" });
      context.accept();
      for await (const stored of pubsub.read(readOptions(request), context.signal)) {
        if (isAsked(request, stored)) yield { event: toStored(stored) };
      }
    },
    getLag: async ({ group }) => ({ groups: await lagOf(pubsub, group) }),
    listDeadLetters: async (request) => {
      const { deadLetters, more } = await listDeadLetters(pubsub, request);
      return { deadLetters: deadLetters.map(toDeadLetter), more };
    },
    redrive: async ({ topic, group, eventId, key, reason }, context) => {
      await findReaders(pubsub, { topic, group });
      const filter = given({ eventId, key, reason });
      const redriven = await pubsub.redrive({ topic, group, ...filter });
      log.info({ ...facts(context), topic, group, ...filter, redriven }, "dead letters are delivered again");
      return { redriven: toInt32(redriven) };
    },
    replay: async ({ topic, group, from, to, key, eventId }, context) => {
      const until = to === undefined ? {} : { to: timestampMs(to) };
      const options = { topic, group, from: startOf(from), ...until, ...given({ key, eventId }) };
      if (typeof options.from === "number" && options.to !== undefined && options.to <= options.from) {
        throw invalid("to", "is not after from");
      }
      await findReaders(pubsub, { topic, group });
      const replayed = await pubsub.replay(options, context.signal);
      log.info({ ...facts(context), ...options, replayed }, "events are replayed");
      return { replayed: toInt32(replayed) };
    },
  });
}

function readOptions({ topic, from, follow, key }: TailRequest): ReadOptions {
  const start = from === undefined ? (follow ? "latest" : "earliest") : startOf(from);
  return { topic, from: start, follow, ...given({ key }) };
}

function isAsked({ type }: TailRequest, { event }: StoredEvent): boolean {
  return type === "" || event.type === type;
}

/** The beginning of time is that of the log. */
function startOf(from: Timestamp | undefined): "earliest" | number {
  const time = from === undefined ? 0 : timestampMs(from);
  return time <= 0 ? "earliest" : time;
}

/** Those that are not empty: what a caller leaves out narrows nothing down. */
function given<K extends string>(values: Readonly<Record<K, string>>): Partial<Record<K, string>> {
  const entries = Object.entries(values).filter(([, value]) => value !== "");
  return Object.fromEntries(entries) as Partial<Record<K, string>>; // Keys of `values`, all of them texts.
}

function facts({ principal, trace }: CallContext): object {
  return { subject: principal?.subject, trace_id: trace.traceId };
}

function invalid(field: string, description: string): WeftError {
  return new WeftError("INVALID_ARGUMENT", `${field} ${description}`, { violations: [{ field, description }] });
}
