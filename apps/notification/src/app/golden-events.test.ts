import { readUserEvent } from "@weft/contracts/event";
import { goldenUserEvents, type GoldenVersion } from "@weft/contracts/golden";
import { expect, test } from "vitest";
import { decodeEvent } from "../rpc/decode.ts";
import { openFixture } from "../testing.ts";
import { takeIn } from "./events.ts";

const id = "0198c0de-0000-7000-8000-000000000001";
const versions: readonly GoldenVersion[] = ["v0", "v1", "next"];

test.each(versions)("events as processes of %s write them are taken in: welcomed, changed, gone", async (version) => {
  await using fixture = await openFixture();
  const parts = await fixture.replica();
  const seen: unknown[] = [];
  for (const event of goldenUserEvents(version)) {
    const told = readUserEvent(event);
    if (told === undefined) continue;
    await takeIn(parts, decodeEvent(told));
    const titles = (await parts.inbox.newest(id, 10)).map(({ title }) => title);
    seen.push([await parts.people.get(id), titles]);
  }
  const titles = ["Welcome to Weft, Ada Lovelace"];
  expect(seen).toMatchObject([
    [{ state: "present", version: 1, name: "Ada Lovelace", email: "ada@example.org" }, titles],
    [{ state: "present", version: 2, name: "Ada King", email: "ada@example.org" }, titles],
    [{ state: "deleted", version: version === "next" ? 4 : 3 }, []],
  ]);
});
