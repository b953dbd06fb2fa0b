import { WeftError } from "@weft/kit";
import type { DeadLetter, Delivery, KeyedEvent, StoredEvent } from "./pubsub.ts";

/** A delivery that failed, with what its group has to know to try it again or to give it up. */
export interface Failed {
  /** Where it came from first; its `attempt` means nothing here. */
  readonly delivery: Delivery;
  /** Tries so far. */
  readonly attempts: number;
  /** Delayed retries that were planned so far. */
  readonly round: number;
  /** Of the last error: its reason, and its message, shortened. */
  readonly reason: string;
  readonly detail: string;
  /** When it failed last, and when it is tried again: milliseconds since the epoch. */
  readonly time: number;
  readonly due: number;
}

/** The topic in which deliveries of `topic` wait for another try by `group`. */
export function retryTopic(topic: string, group: string): string {
  return `${topic}.retry.${group}`;
}

/** The topic of what `group` gave up of `topic`. */
export function deadLetterTopic(topic: string, group: string): string {
  return `${topic}.dlt.${group}`;
}

/** Extension attributes of an event in a retry or dead-letter topic, beside its own. */
export const failureAttributes = {
  topic: "weftorigintopic",
  partition: "weftoriginpartition",
  offset: "weftoriginoffset",
  attempts: "weftattempts",
  round: "weftround",
  reason: "weftreason",
  detail: "weftdetail",
  time: "weftfailtime",
  due: "weftduetime",
} as const;

const names = failureAttributes;
const ours: ReadonlySet<string> = new Set(Object.values(names));
const maxDetailLength = 1000;

/** The event that goes into a retry or dead-letter topic: the one that failed, and why, as extension attributes. */
export function encodeFailed(failed: Failed): KeyedEvent {
  const { key, event, topic, partition, offset } = failed.delivery;
  const extensions = {
    ...event.extensions,
    [names.topic]: topic,
    [names.partition]: String(partition),
    [names.offset]: String(offset),
    [names.attempts]: String(failed.attempts),
    [names.round]: String(failed.round),
    [names.reason]: failed.reason,
    [names.detail]: failed.detail,
    [names.time]: String(failed.time),
    [names.due]: String(failed.due),
  };
  return { key, event: { ...event, extensions } };
}

/** Reverses {@link encodeFailed}. `DATA_LOSS` for an event that it did not make. */
export function decodeFailed(record: KeyedEvent): Failed {
  const all = record.event.extensions;
  const text = (name: string): string => {
    const value = all[name];
    if (value === undefined) throw new WeftError("DATA_LOSS", `an event to be retried lacks the attribute ${name}`);
    return value;
  };
  const integer = (name: string): number => {
    const value = Number(text(name));
    if (!Number.isSafeInteger(value)) throw new WeftError("DATA_LOSS", `the attribute ${name} is not a number`);
    return value;
  };
  const extensions = Object.fromEntries(Object.entries(all).filter(([name]) => !ours.has(name)));
  const attempts = integer(names.attempts);
  return {
    delivery: {
      key: record.key,
      event: { ...record.event, extensions },
      topic: text(names.topic),
      partition: integer(names.partition),
      offset: BigInt(integer(names.offset)),
      attempt: attempts,
    },
    attempts,
    round: integer(names.round),
    reason: text(names.reason),
    detail: text(names.detail),
    time: integer(names.time),
    due: integer(names.due),
  };
}

/** A dead letter put before its group again: the whole failure policy is ahead of it, beginning at `now`. */
export function redriven(failed: Failed, now: number): Failed {
  return { ...failed, attempts: 0, round: 0, due: Math.round(now) };
}

/** An event of the log put before a group once more, in its retry queue: as if it had never been tried, due at `now`. */
export function replayed({ publishTime: _, ...event }: StoredEvent, now: number): Failed {
  const time = Math.round(now);
  return { delivery: { ...event, attempt: 1 }, attempts: 0, round: 0, reason: "", detail: "", time, due: time };
}

/** What a log says of an event that was given up: who it is and why, and nothing of what it carries. */
export function deadLetterFields({ delivery, attempts, reason }: Failed, group: string): object {
  const { event, topic, partition, offset } = delivery;
  const { traceparent } = event.extensions;
  const fields = {
    event: event.id,
    type: event.type,
    topic,
    partition,
    offset: String(offset),
    group,
    attempts,
    reason,
  };
  return traceparent === undefined ? fields : { ...fields, traceparent };
}

/** A record of the dead-letter topic as operators see it. */
export function deadLetterOf(failed: Failed, group: string): DeadLetter {
  const { delivery, reason, detail, time } = failed;
  return { delivery, group, reason, detail, time };
}

/** Reason and message of whatever a handler threw. The cause stays out: it may hold personal data. */
export function failureOf(cause: unknown): Pick<Failed, "reason" | "detail"> {
  if (cause instanceof WeftError) return { reason: cause.reason, detail: cause.message.slice(0, maxDetailLength) };
  const detail = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return { reason: "INTERNAL", detail: detail.slice(0, maxDetailLength) };
}
