import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type UserEvent, UserStateSchema } from "@weft/contracts/event";
import type { SearchEngine } from "@weft/search";
import { afterAll, beforeAll, expect, test } from "vitest";
import { usersIndex } from "../domain/users-index.ts";
import { openTestEngine, testLines } from "../testing.ts";
import { changeOf, takeIn } from "./user-events.ts";

const stack = new AsyncDisposableStack();
let engine: SearchEngine;
beforeAll(async () => {
  engine = await openTestEngine(stack);
  await engine.createIndex(usersIndex);
});
afterAll(() => stack.disposeAsync());

function created(user: MessageInitShape<typeof UserStateSchema>): UserEvent {
  return { kind: "created", user: create(UserStateSchema, user) };
}

function deleted(id: string, version: bigint): UserEvent {
  return { kind: "deleted", id, version };
}

async function take(...events: readonly UserEvent[]): Promise<readonly string[]> {
  return (await engine.apply(usersIndex.index, events.map(changeOf))).map(({ outcome }) => outcome);
}

async function found(text: string): Promise<readonly string[]> {
  const page = await engine.search(usersIndex.index, { text, pageSize: 100 });
  return page.hits.map((hit) => String(hit.document["name"])).toSorted();
}

test("people are found, by name and by what is said of them", async () => {
  const people = (await testLines("people.ndjson")).map(
    (line) => JSON.parse(line) as { name: string; location?: string },
  );
  await take(
    ...people.map((person, at) =>
      created({ ...person, id: `u${at}`, version: 1n, createTime: timestampFromMs(Date.UTC(2026, 0, 1, 0, at)) }),
    ),
  );
  expect(await found("Nobel")).toEqual(["Alfred Nobel", "Wilhelm Wien"]);
  expect(await found("boston")).toEqual(
    people
      .filter((person) => person.location?.includes("Boston"))
      .map(({ name }) => name)
      .toSorted(),
  );
  // What somebody left empty is no value.
  const { facets } = await engine.search(usersIndex.index, { text: "", pageSize: 1, facets: ["location"] });
  expect(facets.get("location")?.map(({ value }) => value)).not.toContain("");
  const [latest] = (
    await engine.search(usersIndex.index, { text: "", pageSize: 1, sort: [{ field: "createTime", descending: true }] })
  ).hits;
  expect(latest?.document["name"]).toBe(people.at(-1)?.name);
});

test("events that come twice or late change nothing, and a deletion stays", async () => {
  const user = { id: "x", name: "Xenia Zwei" };
  expect(await take(created({ ...user, version: 2n }))).toEqual(["applied"]);
  expect(await take(created({ ...user, name: "Xenia Eins", version: 1n }))).toEqual(["superseded"]);
  expect(await take(created({ ...user, version: 2n }))).toEqual(["superseded"]);
  expect(await found("Xenia")).toEqual(["Xenia Zwei"]);
  expect(await take(deleted("x", 3n), created({ ...user, version: 2n }))).toEqual(["applied", "superseded"]);
  expect(await found("Xenia")).toEqual([]);
});

test("an event that the engine can't take in is not taken for done", async () => {
  const refuse = async (): Promise<readonly [{ outcome: "failed"; reason: "UNAVAILABLE"; detail: string }]> => [
    { outcome: "failed", reason: "UNAVAILABLE", detail: "not now" },
  ];
  const taking = takeIn({ apply: refuse }, deleted("x", 3n));
  await expect(taking).rejects.toMatchObject({ reason: "UNAVAILABLE", retryable: true });
});
