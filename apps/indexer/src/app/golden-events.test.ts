import { readUserEvent } from "@weft/contracts/event";
import { goldenUserEvents, type GoldenVersion } from "@weft/contracts/golden";
import { afterEach, beforeEach, expect, test } from "vitest";
import { usersIndex } from "../domain/users-index.ts";
import { openTestEngine } from "../testing.ts";
import { takeIn } from "./user-events.ts";

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

const id = "0198c0de-0000-7000-8000-000000000001";
const versions: readonly GoldenVersion[] = ["v0", "v1", "next"];

test.each(versions)("events as processes of %s write them are taken in: known, changed, gone", async (version) => {
  const engine = await openTestEngine(stack);
  await engine.createIndex(usersIndex);
  const names: unknown[] = [];
  for (const event of goldenUserEvents(version)) {
    const told = readUserEvent(event);
    if (told === undefined) continue;
    await takeIn(engine, told);
    names.push(
      await engine.getDocument(usersIndex.index, id).then(
        ({ name }) => name,
        ({ reason }: { reason: unknown }) => reason,
      ),
    );
  }
  expect(names).toEqual(["Ada Lovelace", "Ada King", "NOT_FOUND"]);
});

test("of a version ahead everything is indexed that is known today, and nothing else", async () => {
  const engine = await openTestEngine(stack);
  await engine.createIndex(usersIndex);
  const [created] = goldenUserEvents("next").flatMap((event) => readUserEvent(event) ?? []);
  if (created !== undefined) await takeIn(engine, created);
  expect(await engine.getDocument(usersIndex.index, id)).toEqual({
    id,
    name: "Ada Lovelace",
    bio: "Notes on the Analytical Engine, G. ∑ 🧮",
    location: "London",
    locale: "en-GB",
    tags: ["maths", "müller", "数学"],
    createTime: "2026-01-15T12:00:00.123Z",
  });
});
