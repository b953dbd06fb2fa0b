import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { patchRecordHeaders } from "./record-headers.ts";

const require = createRequire(import.meta.url);
type Decode = (decoder: object, batch: object) => { readonly headers: Record<string, unknown>; readonly value: Buffer };
const encodeRecord = require("kafkajs/src/protocol/recordBatch/record/v0/index.js") as (record: object) => {
  readonly buffer: Buffer;
};
const Decoder = require("kafkajs/src/protocol/decoder.js") as new (bytes: Buffer) => { readVarInt(): number };
const decodeRecord = require("kafkajs/src/protocol/recordBatch/record/v0/decoder.js") as Decode;

/** A record as kafkajs writes it, read by kafkajs. */
function readBack(headers: Record<string, unknown>): Record<string, unknown> {
  const { buffer } = encodeRecord({ key: "k", value: Buffer.from("v"), headers });
  const decoder = new Decoder(buffer);
  // Its length.
  decoder.readVarInt();
  const record = decodeRecord(decoder, { firstOffset: "0", firstTimestamp: "0" });
  expect(record.value).toEqual(Buffer.from("v"));
  return record.headers;
}

test("headers are read as kafkajs reads them: any name, lists, nothing", () => {
  const samples = [
    {},
    { ce_id: "1", "content-type": "text/plain", "größe 编": "ü" },
    { twice: ["a", "b"], thrice: ["a", "b", "c"], one: "x" },
    { empty: "" },
  ];
  const before = samples.map(readBack);
  patchRecordHeaders();
  expect(samples.map(readBack)).toEqual(before);
});

test("names of what every object has are names like others", () => {
  patchRecordHeaders();
  expect(readBack({ constructor: "a", toString: "b" })).toEqual({
    constructor: Buffer.from("a"),
    toString: Buffer.from("b"),
  });
});
