import fc from "fast-check";
import { expect, test } from "vitest";
import { LastAnswers } from "./last-answers.ts";
import type { FallbackOptions } from "./options.ts";

type Answers = Pick<LastAnswers, "put" | "find" | "bytes">;

const options = fc.record({ maxAgeMs: fc.constantFrom(0, 1_000, 1e6), maxBytes: fc.constantFrom(2_000, 2_500) });
const history = fc.array(
  fc.record({
    gapMs: fc.oneof(fc.nat(20), fc.nat(1_500)),
    key: fc.constantFrom(..."abcdefghijklm"),
    // Undefined asks; a number puts an answer of that length.
    length: fc.option(fc.oneof(fc.nat(40), fc.nat(600)), { nil: undefined, freq: 2 }),
  }),
  { maxLength: 100, size: "large" },
);

/** As `expect(actual).toBe(expected)`, of which ten thousands would take seconds. */
function same<T>(actual: T, expected: T): void {
  if (actual !== expected) throw new Error(`${String(actual)} should be ${String(expected)}`);
}

/** F1 to F3, against a list of all that was ever put. */
function keepsWhatItCan(make: (options: FallbackOptions) => Answers) {
  return fc.property(options, history, (given, steps) => {
    const answers = make(given);
    let nowMs = 1_000;
    /** In the order of use. */
    let model: { key: string; answer: Uint8Array; atMs: number }[] = [];
    const size = () => model.reduce((sum, { answer }) => sum + answer.length + 201, 0);
    for (const [turn, { gapMs, key, length }] of steps.entries()) {
      nowMs += gapMs;
      const known = model.find((entry) => entry.key === key);
      if (length === undefined) {
        const isFresh = known !== undefined && nowMs - known.atMs <= given.maxAgeMs;
        same(answers.find(key, nowMs), isFresh ? known.answer : undefined);
        model = model.filter((entry) => entry.key !== key);
        if (isFresh) model.push(known);
      } else {
        const answer = new Uint8Array(length).fill(turn);
        answers.put(key, answer, nowMs);
        model = model.filter((entry) => entry.key !== key);
        if (length + 201 <= given.maxBytes / 8) {
          model.push({ key, answer, atMs: nowMs });
          while (size() > given.maxBytes) model.shift();
        }
      }
      same(answers.bytes, size());
      same(answers.bytes <= given.maxBytes, true);
    }
  });
}

test("F1, F2, F3 the last answers, as many as there is room for", () => {
  fc.assert(
    keepsWhatItCan((given) => new LastAnswers(given)),
    { numRuns: 300 },
  );
});

class Sticky extends LastAnswers {
  override find(key: string, nowMs: number): Uint8Array | undefined {
    return this.ageMs(key, nowMs) === undefined ? undefined : super.find(key, nowMs)?.slice();
  }
}
class Crowded extends LastAnswers {
  override put(key: string, answer: Uint8Array, nowMs: number): void {
    super.put(key < "f" ? "a" : key, answer, nowMs);
  }
}
class FirstInFirstOut extends LastAnswers {
  readonly #last = new Map<string, Uint8Array>();
  override put(key: string, answer: Uint8Array, nowMs: number): void {
    super.put(key, answer, nowMs);
    this.#last.set(key, answer);
  }
  override find(key: string, nowMs: number): Uint8Array | undefined {
    return this.ageMs(key, nowMs) === undefined ? undefined : this.#last.get(key);
  }
}

test.each<{ fault: string; make: (options: FallbackOptions) => Answers }>([
  { fault: "F1 it gives what is too old", make: (given) => new LastAnswers({ ...given, maxAgeMs: 1e9 }) },
  { fault: "F1 keys share a place", make: (given) => new Crowded(given) },
  { fault: "F1 it gives something else", make: (given) => new Sticky(given) },
  { fault: "F2 it takes more memory", make: (given) => new LastAnswers({ ...given, maxBytes: 8_000 }) },
  { fault: "F3 what is used goes, too", make: (given) => new FirstInFirstOut(given) },
])("noticed when $fault", ({ make }) => {
  expect(fc.check(keepsWhatItCan(make), { numRuns: 1_000, seed: 1, endOnFailure: true }).failed).toBe(true);
});

test("switched off it holds nothing", () => {
  const answers = new LastAnswers();
  answers.put("a", new Uint8Array(10), 0);
  answers.configure({ enabled: false });
  answers.put("b", new Uint8Array(10), 0);
  expect([answers.bytes, answers.find("a", 0), answers.find("b", 0)]).toEqual([0, undefined, undefined]);
});
