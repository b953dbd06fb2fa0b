import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isSound, soak, type SoakResult } from "./soak.ts";

test(
  "all poison is given up and nothing else, and is handled once when it is redriven",
  { timeout: 120_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "weft-soak-"));
    try {
      const failure = { immediateAttempts: 2, retryDelaysMs: [100, 200] };
      const options = {
        profile: "embedded",
        forMs: 4000,
        poisonEvery: 100,
        folder,
        print: console.info,
        failure,
      } as const;
      const { poison, ratio, ...result } = await soak(options);
      expect(poison).toBeGreaterThan(10);
      expect(result).toMatchObject({ deadLetters: poison, redriven: poison, wronged: 0, missing: 0, repeated: 0 });
      // How near it comes to 1 is for a machine to say that does nothing else.
      expect(ratio).toBeGreaterThan(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

const sound: SoakResult = {
  ratio: 0.97,
  perSecond: 970,
  cleanPerSecond: 1000,
  poison: 5,
  deadLetters: 5,
  wronged: 0,
  redriven: 5,
  missing: 0,
  repeated: 0,
  rssMiB: 100,
};

test.each<[Partial<SoakResult>, boolean]>([
  [{}, true],
  [{ repeated: 1 }, true],
  [{ ratio: 0.94 }, false],
  [{ ratio: Number.NaN }, false],
  [{ deadLetters: 4 }, false],
  [{ wronged: 1 }, false],
  [{ redriven: 4 }, false],
  [{ missing: 1 }, false],
])("a soak with %j is sound: %s", (change, expected) => {
  expect(isSound({ ...sound, ...change })).toBe(expected);
});
