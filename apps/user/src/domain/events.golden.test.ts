import { goldenUserEvents } from "@weft/contracts/golden";
import { expect, test } from "vitest";
import { userCreated, userDeleted, userUpdated } from "./events.ts";

const at = Date.UTC(2026, 0, 15, 12, 0, 0, 123);
const ada = {
  id: "0198c0de-0000-7000-8000-000000000001",
  email: "ada@example.org",
  name: "Ada Lovelace",
  bio: "Notes on the Analytical Engine, G. ∑ 🧮",
  location: "London",
  locale: "en-GB",
  tags: ["maths", "müller", "数学"],
  createdAt: at,
  updatedAt: at,
  version: 1,
};
const stamp = { eventId: "e", trace: { traceId: "1".repeat(32), spanId: "2".repeat(16), sampled: true }, time: at };

test("what is written of users is, to the byte, what was recorded", () => {
  const king = { ...ada, name: "Ada King", bio: "", tags: [], updatedAt: Date.UTC(2026, 1, 1), version: 2 };
  const entries = [
    userCreated(ada, stamp),
    userUpdated(king, ["name", "bio", "tags"], stamp),
    userDeleted(king, { ...stamp, time: Date.UTC(2026, 2, 1, 23, 59, 59, 999) }),
  ];
  const written = entries.map(({ event: { type, data } }) => ({ type, hex: Buffer.from(data).toString("hex") }));
  const recorded = goldenUserEvents("v1").map(({ type, data }) => ({ type, hex: Buffer.from(data).toString("hex") }));
  expect(written).toEqual(recorded);
});
