import { type DescMessage, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { isWeftError } from "@weft/kit";
import { describe, expect, test } from "vitest";
import { readUserEvent, UserCreatedSchema, UserDeletedSchema, UserUpdatedSchema } from "../event.ts";
import { type GoldenEvent, goldenUserEvents, type GoldenVersion } from "./index.ts";

const versions: readonly GoldenVersion[] = ["v0", "v1", "next"];
const schemas: readonly DescMessage[] = [UserCreatedSchema, UserUpdatedSchema, UserDeletedSchema];
const schemaOf = (type: string): DescMessage | undefined => schemas.find(({ typeName }) => typeName === type);
const known = (version: GoldenVersion) =>
  goldenUserEvents(version).flatMap((event) => {
    const schema = schemaOf(event.type);
    return schema === undefined ? [] : [{ ...event, schema }];
  });

test("there is an event of each type in each version", () => {
  for (const version of versions) expect(known(version).map(({ schema }) => schema)).toEqual(schemas);
});

test("today's writer makes these bytes", () => {
  for (const { schema, says, data } of known("v1")) {
    const message = fromJson(schema, says as Parameters<typeof fromJson>[1]);
    expect(Buffer.from(toBinary(schema, message)).toString("hex")).toBe(Buffer.from(data).toString("hex"));
  }
});

describe.each(versions)("events of %s", (version) => {
  test("are read by today's reader, who hears what it knows", () => {
    for (const { schema, says, data } of known(version)) {
      const expected = toJson(
        schema,
        fromJson(schema, says as Parameters<typeof fromJson>[1], { ignoreUnknownFields: true }),
      );
      expect(toJson(schema, fromBinary(schema, data))).toEqual(expected);
    }
  });

  test("tell whom they are about, and the version", () => {
    const told = goldenUserEvents(version).flatMap((event) => readUserEvent(event) ?? []);
    const about = told.map((event) => (event.kind === "deleted" ? event : { kind: event.kind, ...event.user }));
    const id = "0198c0de-0000-7000-8000-000000000001";
    expect(about).toMatchObject([
      { kind: "created", id, version: 1n, email: "ada@example.org", name: "Ada Lovelace" },
      { kind: "updated", id, version: 2n, email: "ada@example.org", name: "Ada King" },
      { kind: "deleted", id, version: version === "next" ? 4n : 3n },
    ]);
  });

  test("lose nothing when they are read and written, whatever they hold", () => {
    for (const { schema, data } of known(version)) {
      expect(Buffer.from(toBinary(schema, fromBinary(schema, data)))).toEqual(Buffer.from(data));
    }
  });

  test("that were cut or garbled are read or refused, and nothing else happens", () => {
    for (const event of goldenUserEvents(version)) {
      for (let at = 0; at < event.data.length; at += 1) {
        const garbled = Uint8Array.from(event.data);
        garbled[at] = (garbled[at] ?? 0) ^ 0x80;
        for (const data of [event.data.subarray(0, at), garbled]) expectReadOrRefused({ ...event, data });
      }
    }
  });
});

test("a version ahead says more than today's reader knows", () => {
  for (const { schema, data } of known("next")) expect(fromBinary(schema, data).$unknown).not.toBeUndefined();
});

test("an event that is new in a version ahead says nothing today, and is no error", () => {
  const [frozen] = goldenUserEvents("next").filter(({ type }) => schemaOf(type) === undefined);
  expect(frozen?.type).toBe("weft.event.v1.UserFrozen");
  expect(frozen && readUserEvent(frozen)).toBeUndefined();
});

function expectReadOrRefused(event: GoldenEvent): void {
  try {
    readUserEvent(event);
  } catch (error) {
    // Not retryable: it goes to the dead letters instead of holding up its partition.
    expect(isWeftError(error, "INVALID_ARGUMENT")).toBe(true);
  }
}
