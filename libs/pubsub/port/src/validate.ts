import { WeftError } from "@weft/kit";
import type { DeadLetterFilter, KeyedEvent, ReadOptions, ReplayOptions, SubscribeOptions } from "./pubsub.ts";

/** Largest `data` of an event, in bytes. Kafka's brokers take 1 MiB for a record with its headers. */
export const maxDataBytes = 1_000_000;
const maxAttributeBytes = 16_384;
const maxKeyBytes = 1024;
const maxListed = 10_000;

/** `INVALID_ARGUMENT` unless `name` can name a topic or a group in every adapter. */
export function checkName(what: "topic" | "group", name: string): void {
  if (/^[A-Za-z0-9._-]{1,200}$/.test(name) && name !== "." && name !== "..") return;
  throw new WeftError("INVALID_ARGUMENT", `a ${what}'s name is 1 to 200 letters, digits, dots, dashes and underscores`);
}

/** `INVALID_ARGUMENT` or `PAYLOAD_TOO_LARGE` for an event that no adapter could carry. */
export function checkEvent({ key, event }: KeyedEvent): void {
  if (Buffer.byteLength(key) > maxKeyBytes) bad(`a key has at most ${maxKeyBytes} bytes`);
  if (event.id === "" || event.source === "" || event.type === "") bad("an event has an id, a source and a type");
  if (!Number.isSafeInteger(event.time)) bad("the time of an event is in whole milliseconds");
  if (event.data.byteLength > maxDataBytes) {
    throw new WeftError("PAYLOAD_TOO_LARGE", `an event carries at most ${maxDataBytes} bytes`);
  }
  let bytes = 0;
  for (const [name, value] of Object.entries(event.extensions)) {
    if (!/^[a-z0-9]+$/.test(name)) bad("names of extension attributes are lower-case letters and digits");
    bytes += name.length + Buffer.byteLength(value);
  }
  if (bytes > maxAttributeBytes) bad(`extension attributes have at most ${maxAttributeBytes} bytes together`);
}

/** `INVALID_ARGUMENT` for options that make no sense. */
export function checkSubscribe(options: SubscribeOptions): void {
  checkName("group", options.group);
  for (const topic of options.topics) checkName("topic", topic);
  if (options.topics.length === 0) bad("a subscription names at least one topic");
  if (new Set(options.topics).size < options.topics.length) bad("a subscription names each topic once");
  const { maxConcurrency = 1, sessionTimeoutMs = 5000, handleTimeoutMs = 1 } = options;
  if (!Number.isInteger(maxConcurrency) || maxConcurrency < 1) bad("maxConcurrency must be a whole number from 1");
  if (!(sessionTimeoutMs >= 1000)) bad("sessionTimeoutMs must be at least 1000");
  if (!(handleTimeoutMs >= 1)) bad("handleTimeoutMs must be at least 1");
}

/** The same. */
export function checkDeadLetterFilter({
  topic,
  group,
  limit = 1,
}: DeadLetterFilter & { readonly limit?: number }): void {
  checkName("topic", topic);
  checkName("group", group);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxListed)
    bad(`limit must be a whole number from 1 to ${maxListed}`);
}

/** The same. */
export function checkRead({ topic, from = "earliest" }: ReadOptions): void {
  checkName("topic", topic);
  if (typeof from === "number") checkInstant("from", from);
}

/** The same. */
export function checkReplay({ topic, group, from, to }: ReplayOptions): void {
  checkRead({ topic, from });
  checkName("group", group);
  if (to !== undefined) checkInstant("to", to);
}

function checkInstant(name: string, time: number): void {
  if (!Number.isSafeInteger(time)) bad(`${name} is in whole milliseconds since the epoch`);
}

function bad(message: string): never {
  throw new WeftError("INVALID_ARGUMENT", message);
}
