import { expect, test } from "vitest";
import { account, type Claims, countDifferences, type Evidence } from "./account.ts";

/** Ada has three versions; Bob was deleted after two. */
const claims: Claims = {
  users: new Map([
    [
      "ada",
      {
        changes: new Map([
          [1, "a"],
          [3, "c"],
        ]),
        deletion: "none",
      },
    ],
    ["bob", { changes: new Map([[1, "x"]]), deletion: "acknowledged" }],
  ]),
};

/** All as it has to be. Nobody was told of Ada's second version. */
const right: Evidence = {
  owner: new Map([["ada", { version: 3, mark: "c" }]]),
  effects: [
    { userId: "ada", version: 1, kind: "created", mark: "a" },
    { userId: "bob", version: 1, kind: "created", mark: "x" },
    { userId: "ada", version: 2, kind: "updated", mark: "b" },
    { userId: "ada", version: 3, kind: "updated", mark: "c" },
    { userId: "bob", version: 2, kind: "deleted", mark: "" },
  ],
  documents: [{ id: "ada", mark: "c" }],
  found: 1,
  notifications: [{ userId: "ada", type: "welcome" }],
  deadLetters: [],
};

const without = (effect: number): Partial<Evidence> => ({ effects: right.effects.toSpliced(effect, 1) });
const withMore = (...more: Evidence["effects"]): Partial<Evidence> => ({ effects: [...right.effects, ...more] });
const row = (version: number, mark: string): Partial<Evidence> => ({ owner: new Map([["ada", { version, mark }]]) });

test("nothing is different when all is as it has to be", () => {
  expect(account(claims, right)).toEqual([]);
});

test("somebody whose creation was never answered may be there, if everybody agrees", () => {
  const eve = {
    owner: new Map([...right.owner, ["eve", { version: 1, mark: "e" }]]),
    documents: [...right.documents, { id: "eve", mark: "e" }],
    found: 2,
    notifications: [...right.notifications, { userId: "eve", type: "welcome" }],
    ...withMore({ userId: "eve", version: 1, kind: "created", mark: "e" }),
  };
  expect(account(claims, { ...right, ...eve })).toEqual([]);
  expect(account(claims, { ...right, ...eve, documents: right.documents, found: 1 })).toEqual([
    { kind: "lost", what: "eve: version 1 is not in the index" },
  ]);
});

test("a deletion that was never answered may have happened or not", () => {
  const users = new Map([...claims.users, ["ada", { changes: new Map([[1, "a"]]), deletion: "unknown" as const }]]);
  expect(account({ users }, right)).toEqual([]);
  const gone = { owner: new Map(), documents: [], found: 0, notifications: [] };
  const deletion = withMore({ userId: "ada", version: 4, kind: "deleted", mark: "" });
  expect(account({ users }, { ...right, ...gone, ...deletion })).toEqual([]);
  expect(account({ users }, { ...right, ...gone })).toEqual([
    { kind: "lost", what: "ada: the deletion had no effect" },
  ]);
});

test.each<[string, Partial<Evidence>, "lost" | "doubled" | "resurrected", string]>([
  ["the owner lost a user", { owner: new Map() }, "lost", "the owner has no row"],
  ["the owner lost a change", row(2, "b"), "lost", "version 3 was acknowledged, and the owner has 2"],
  ["the owner mixed up a change", row(3, "b"), "lost", "acknowledged with c, and the owner has b"],
  [
    "the owner kept a deleted user",
    { owner: new Map([...right.owner, ["bob", { version: 1, mark: "x" }]]) },
    "resurrected",
    "deleted, and the owner has a row",
  ],
  ["an event was lost", without(2), "lost", "version 2 of 3 had no effect"],
  ["the last event was lost", without(3), "lost", "version 3 of 3 had no effect"],
  ["a deletion's event was lost", without(4), "lost", "the deletion had no effect"],
  [
    "all events of a deleted user were lost",
    { effects: right.effects.filter(({ userId }) => userId !== "bob") },
    "lost",
    "version 1 of 1 had no effect",
  ],
  [
    "an event took effect twice",
    withMore({ userId: "ada", version: 2, kind: "updated", mark: "b" }),
    "doubled",
    "version 2 had 2 effects",
  ],
  [
    "an event of a change that was rolled back",
    withMore({ userId: "ada", version: 4, kind: "updated", mark: "d" }),
    "doubled",
    "version 4 had an effect, and the owner has 3 versions",
  ],
  [
    "one change made two versions",
    { effects: right.effects.map((effect) => (effect.mark === "b" ? { ...effect, mark: "c" } : effect)) },
    "doubled",
    "c made versions 2,3",
  ],
  [
    "an event says something else than the row",
    { effects: right.effects.map((effect) => (effect.mark === "c" ? { ...effect, mark: "z" } : effect)) },
    "lost",
    "version 3 is c, and its effect was z",
  ],
  ["a document is missing", { documents: [], found: 0 }, "lost", "version 3 is not in the index"],
  ["a document is old", { documents: [{ id: "ada", mark: "b" }] }, "lost", "is c, and the index has b"],
  [
    "a document is there twice",
    { documents: [...right.documents, ...right.documents], found: 2 },
    "doubled",
    "2 times in the index",
  ],
  [
    "a deleted user is in the index",
    { documents: [...right.documents, { id: "bob", mark: "x" }], found: 2 },
    "resurrected",
    "deleted, and in the index",
  ],
  ["a search hides a document", { found: 0 }, "lost", "a search finds 0 of 1 documents"],
  ["a search finds what is gone", { found: 2 }, "resurrected", "a search finds 2 of 1 documents"],
  ["nobody was welcomed", { notifications: [] }, "lost", "never welcomed"],
  [
    "somebody was welcomed twice",
    { notifications: [...right.notifications, ...right.notifications] },
    "doubled",
    "2 notifications",
  ],
  [
    "a deleted user still has an inbox",
    { notifications: [...right.notifications, { userId: "bob", type: "welcome" }] },
    "resurrected",
    "1 notifications are left",
  ],
  ["an event was given up", { deadLetters: ["ada by indexer: INTERNAL"] }, "lost", "given up: ada by indexer"],
])("%s", (_, change, kind, what) => {
  const differences = account(claims, { ...right, ...change });
  expect(differences).toContainEqual({ kind, what: expect.stringContaining(what) });
  expect(countDifferences(differences)[kind]).toBeGreaterThan(0);
});
