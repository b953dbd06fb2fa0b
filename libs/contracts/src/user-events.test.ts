import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { readUserEvent, UserCreatedSchema, UserDeletedSchema, UserUpdatedSchema } from "./event.ts";

const created = (init: MessageInitShape<typeof UserCreatedSchema>) => ({
  type: UserCreatedSchema.typeName,
  data: toBinary(UserCreatedSchema, create(UserCreatedSchema, init)),
});
const refused = expect.objectContaining({ reason: "INVALID_ARGUMENT" });

test("an event says what happened to whom", () => {
  const user = { id: "u1", name: "Ada", version: 7n };
  expect(readUserEvent(created({ user }))).toMatchObject({ kind: "created", user });
  const updated = toBinary(UserUpdatedSchema, create(UserUpdatedSchema, { user }));
  expect(readUserEvent({ type: UserUpdatedSchema.typeName, data: updated })).toMatchObject({ kind: "updated", user });
  const deleted = toBinary(UserDeletedSchema, create(UserDeletedSchema, { id: "u1", version: 8n }));
  expect(readUserEvent({ type: UserDeletedSchema.typeName, data: deleted })).toEqual({
    kind: "deleted",
    id: "u1",
    version: 8n,
  });
});

test("an event of an unknown type says nothing", () => {
  expect(readUserEvent({ type: "weft.event.v1.UserFrozen", data: Uint8Array.of(1) })).toBeUndefined();
});

test.each([
  ["bytes that are no message", { type: UserCreatedSchema.typeName, data: Uint8Array.of(0xff, 0xff) }],
  ["no user", created({})],
  ["a user without an id", created({ user: { name: "Nobody" } })],
  ["a user without a version", created({ user: { id: "u1", name: "Ada" } })],
  ["a version that nobody has", created({ user: { id: "u1", version: -1n } })],
  ["a deletion of nobody", { type: UserDeletedSchema.typeName, data: new Uint8Array() }],
])("%s is INVALID_ARGUMENT", (_, event) => {
  expect(() => readUserEvent(event)).toThrow(refused);
});
