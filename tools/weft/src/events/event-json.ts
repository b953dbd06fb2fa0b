import { fromBinary, toJson } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { eventTypes } from "@weft/contracts/event";
import type { Event } from "@weft/contracts/events";
import type { JsonObject, JsonValue } from "@weft/kit";

/** An event for programs. What it says is JSON in `data` where its type is known here, else base64 in `dataBase64`. */
export function eventJson(event: Event): JsonObject {
  const { topic, partition, offset, key, publishTime, id, source, type, subject, time, version, traceparent } = event;
  return {
    ...{ topic, partition, offset: Number(offset), key },
    ...(publishTime === undefined ? {} : { publishTime: timeText(publishTime) }),
    ...{ id, source, type, subject, time: timeText(time), version: Number(version), traceparent },
    ...payload(event),
  };
}

/** What an event says, for people: JSON, or how many bytes of what. */
export function payloadText(event: Event): string {
  const { data } = payload(event);
  return data === undefined ? `${event.data.byteLength} bytes of ${event.type}` : JSON.stringify(data);
}

/** Text of others on one line of a terminal, without what would move its cursor. */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?");
}

/** ISO 8601 in UTC; empty when there is none. */
export function timeText(time: Timestamp | undefined): string {
  return time === undefined ? "" : new Date(timestampMs(time)).toISOString();
}

/** The type without the package that nearly all have. */
export function shortType(type: string): string {
  return type.replace(/^weft\.event\.v1\./, "");
}

/** The type that a person may have written short. */
export function fullType(type: string): string {
  return type.includes(".") ? type : `weft.event.v1.${type}`;
}

function payload({ type, data }: Event): { readonly data?: JsonValue; readonly dataBase64?: string } {
  const schema = eventTypes.getMessage(type);
  if (schema !== undefined) {
    try {
      return { data: toJson(schema, fromBinary(schema, data), { alwaysEmitImplicit: true, registry: eventTypes }) };
    } catch {
      // Whoever looks for what is wrong with it has to see it.
    }
  }
  return { dataBase64: Buffer.from(data).toString("base64") };
}
