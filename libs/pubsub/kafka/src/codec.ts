import { WeftError } from "@weft/kit";
import type { CloudEvent, KeyedEvent } from "@weft/pubsub";
import type { KafkaRecord, OutgoingRecord } from "./protocol.ts";

/*
 * CloudEvents 1.0, binary mode of the Kafka binding:
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
 */

const prefix = "ce_";
const attributes: ReadonlySet<string> = new Set(["specversion", "id", "source", "type", "subject", "time"]);
/** Attributes that go along a second time under the plain name, where tracers look that know nothing of CloudEvents. */
const traceHeaders: ReadonlySet<string> = new Set(["traceparent", "tracestate"]);
const maxDate = 8.64e15;
type Field = "id" | "source" | "type" | "subject" | "time" | "dataContentType" | "specversion";
/** The headers that are no extension attributes, by their names in small letters. */
const fields: ReadonlyMap<string, Field> = new Map([
  ["ce_specversion", "specversion"],
  ["ce_id", "id"],
  ["ce_source", "source"],
  ["ce_type", "type"],
  ["ce_subject", "subject"],
  ["ce_time", "time"],
  ["content-type", "dataContentType"],
]);

/** An event as a record. `INVALID_ARGUMENT` for a time that has no date. */
export function toRecord({ key, event }: KeyedEvent): OutgoingRecord {
  if (Math.abs(event.time) > maxDate) throw new WeftError("INVALID_ARGUMENT", "the time of an event is no date");
  const headers: Record<string, string> = {
    ce_specversion: "1.0",
    ce_id: event.id,
    ce_source: event.source,
    ce_type: event.type,
    ce_time: new Date(event.time).toISOString(),
    "content-type": event.dataContentType,
  };
  if (event.subject !== undefined) headers["ce_subject"] = event.subject;
  for (const [name, value] of Object.entries(event.extensions)) {
    if (attributes.has(name)) throw new WeftError("INVALID_ARGUMENT", `'${name}' can't name an extension attribute`);
    headers[prefix + name] = value;
  }
  for (const name of traceHeaders) {
    const value = event.extensions[name];
    if (value !== undefined) headers[name] = value;
  }
  return { key, value: asBuffer(event.data), headers };
}

/** Reverses {@link toRecord}, and reads what other clients write. `DATA_LOSS` for a record that is no CloudEvent. */
export function fromRecord(record: KafkaRecord): KeyedEvent {
  const headers = record.headers ?? {};
  const extensions: Record<string, string> = {};
  const read: Partial<Record<Field, string>> = {};
  for (const spelled in headers) {
    const value = headers[spelled];
    const first = Array.isArray(value) ? value[0] : value;
    if (first === undefined || first === null) continue;
    // Ours are spelled in small letters.
    const name = fields.has(spelled) ? spelled : spelled.toLowerCase();
    const field = fields.get(name);
    if (field !== undefined) read[field] = first.toString();
    else if (name.startsWith(prefix)) extensions[name.slice(prefix.length)] = first.toString();
    // The attribute says it better than the header beside it.
    else if (traceHeaders.has(name)) extensions[name] ??= first.toString();
  }
  const { id, source, type, subject, dataContentType = "application/octet-stream" } = read;
  if (id === undefined || source === undefined || type === undefined) {
    throw new WeftError("DATA_LOSS", "a record without all of the headers ce_id, ce_source and ce_type");
  }
  const data = record.value ?? new Uint8Array(0);
  const event: { -readonly [Name in keyof CloudEvent]: CloudEvent[Name] } = {
    id,
    source,
    type,
    // Optional in CloudEvents: then the broker's time stands for it.
    time: timeOf(read.time, record),
    dataContentType,
    data,
    extensions,
  };
  if (subject !== undefined) event.subject = subject;
  return { key: record.key?.toString() ?? "", event };
}

/** What can be said of a record that {@link fromRecord} refuses: enough to keep it among the dead letters. */
export function foreignEvent(record: KafkaRecord, topic: string, partition: number): KeyedEvent {
  return {
    key: record.key?.toString() ?? "",
    event: {
      id: `${topic}-${partition}-${record.offset}`,
      source: `/kafka/${topic}`,
      type: "weft.kafka.UnknownRecord",
      time: timestampOf(record),
      dataContentType: "application/octet-stream",
      data: record.value ?? new Uint8Array(0),
      extensions: {},
    },
  };
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function timeOf(text: string | undefined, record: KafkaRecord): number {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? timestampOf(record) : time;
}

/** Brokers take any number from their clients, and one that is no date could not be written into another topic. */
function timestampOf({ timestamp }: KafkaRecord): number {
  return Math.min(maxDate, Math.max(-maxDate, Number(timestamp)));
}
