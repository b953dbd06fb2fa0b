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
const traceHeaders = ["traceparent", "tracestate"] as const;
const maxDate = 8.64e15;

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
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(record.headers ?? {})) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) headers.set(name.toLowerCase(), first.toString());
  }
  const needed = (name: string): string => {
    const value = headers.get(prefix + name);
    if (value === undefined) throw new WeftError("DATA_LOSS", `a record without the header ${prefix}${name}`);
    return value;
  };
  const extensions: Record<string, string> = {};
  for (const name of traceHeaders) {
    const value = headers.get(name);
    if (value !== undefined) extensions[name] = value;
  }
  for (const [name, value] of headers) {
    if (name.startsWith(prefix) && !attributes.has(name.slice(prefix.length))) {
      extensions[name.slice(prefix.length)] = value;
    }
  }
  const subject = headers.get("ce_subject");
  const event: CloudEvent = {
    id: needed("id"),
    source: needed("source"),
    type: needed("type"),
    ...(subject === undefined ? {} : { subject }),
    // Optional in CloudEvents: then the broker's time stands for it.
    time: timeOf(headers.get("ce_time"), record),
    dataContentType: headers.get("content-type") ?? "application/octet-stream",
    data: record.value ?? new Uint8Array(0),
    extensions,
  };
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
      time: Number(record.timestamp),
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
  return Number.isNaN(time) ? Number(record.timestamp) : time;
}
