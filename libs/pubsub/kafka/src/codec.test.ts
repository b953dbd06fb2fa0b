import type { KeyedEvent } from "@weft/pubsub";
import fc from "fast-check";
import { expect, test } from "vitest";
import { foreignEvent, fromRecord, toRecord } from "./codec.ts";
import type { KafkaRecord, OutgoingRecord } from "./protocol.ts";

/** As it comes back from a broker: everything in bytes. */
function returned({ key, value, headers = {} }: OutgoingRecord): KafkaRecord {
  const bytes = (part: Buffer | string | null | undefined): Buffer | null =>
    part === null || part === undefined ? null : Buffer.from(part);
  return {
    key: bytes(key),
    value: bytes(value),
    timestamp: "1700000000999",
    offset: "7",
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
  };
}

const event: KeyedEvent = {
  key: "u-1",
  event: {
    id: "0190",
    source: "/weft/user",
    type: "weft.event.v1.UserCreated",
    subject: "u-1",
    time: 1_700_000_000_123,
    dataContentType: "application/protobuf",
    data: Uint8Array.of(1, 2, 3),
    extensions: { aggregateversion: "3", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
  },
};

test("the record of an event, version 1", () => {
  expect(toRecord(event)).toEqual({
    key: "u-1",
    value: Buffer.of(1, 2, 3),
    headers: {
      ce_specversion: "1.0",
      ce_id: "0190",
      ce_source: "/weft/user",
      ce_type: "weft.event.v1.UserCreated",
      ce_subject: "u-1",
      ce_time: "2023-11-14T22:13:20.123Z",
      "content-type": "application/protobuf",
      ce_aggregateversion: "3",
      ce_traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
  });
});

test("an event comes back as it was", () => {
  const text = fc.string({ unit: "binary", maxLength: 12 });
  const name = fc.constantFrom("aggregateversion", "traceparent", "tracestate", "x1", "partitionkey");
  fc.assert(
    fc.property(
      text,
      fc.record({
        id: text,
        source: text,
        type: text,
        subject: text,
        time: fc.integer({ min: -8.64e15, max: 8.64e15 }),
        dataContentType: text,
        data: fc.uint8Array(),
        extensions: fc.dictionary(name, text, { noNullPrototype: true }),
      }),
      (key, attributes) => {
        const back = fromRecord(returned(toRecord({ key, event: attributes })));
        expect(back.key).toBe(key);
        expect({ ...back.event, data: [...back.event.data] }).toEqual({ ...attributes, data: [...attributes.data] });
      },
    ),
  );
});

test("what another client wrote: the trace in its own header, no time, no content type", () => {
  const headers = { ce_id: "1", ce_source: "/s", ce_type: "T", CE_EXTRA: "x", traceparent: "00-a-b-01" };
  expect(fromRecord(returned({ key: "k", value: Buffer.of(9), headers })).event).toEqual({
    id: "1",
    source: "/s",
    type: "T",
    time: 1_700_000_000_999,
    dataContentType: "application/octet-stream",
    data: Buffer.of(9),
    extensions: { extra: "x", traceparent: "00-a-b-01" },
  });
});

test("a record that is no CloudEvent is refused, and can still be told of", () => {
  const record = returned({ key: null, value: Buffer.of(1) });
  expect(() => fromRecord(record)).toThrow(expect.objectContaining({ reason: "DATA_LOSS" }));
  expect(foreignEvent(record, "t", 3)).toMatchObject({ key: "", event: { id: "t-3-7", source: "/kafka/t" } });
});

test("a record with a time that is no date can still be told of", () => {
  const record = { ...returned({ key: "k", value: null }), timestamp: "1700000000000000000" };
  expect(() => toRecord(foreignEvent(record, "t", 0))).not.toThrow();
});

test("what would come back as something else is refused", () => {
  const bad = (change: object): KeyedEvent => ({ ...event, event: { ...event.event, ...change } });
  for (const change of [{ time: 8.64e15 + 1 }, { extensions: { id: "2" } }]) {
    expect(() => toRecord(bad(change))).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
  }
});
