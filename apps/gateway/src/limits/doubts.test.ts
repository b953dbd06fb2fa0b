import { describeLaws, describeMutants, type Law, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import { Doubts, type Look, type NoLook } from "./doubts.ts";

interface Subject extends AsyncDisposable {
  readonly make: () => Doubts;
}

const subject = (make: () => Doubts) => async (): Promise<Subject> => ({
  make,
  [Symbol.asyncDispose]: async () => undefined,
});

const law = (title: string, check: (make: () => Doubts) => void): Law<Subject> => ({
  title,
  run: async ({ make }) => check(make),
});

const bearer = (sub: string): string => `Bearer e30.${Buffer.from(JSON.stringify({ sub })).toString("base64url")}.x`;

/** How many of so many looks are made, none of which finds a good token. */
function failing(doubts: Doubts, looks: number, { address = "a", sub = "nobody", nowMs = 0 } = {}): number {
  let made = 0;
  for (let n = 0; n < looks; n += 1) if ("bucket" in doubts.look(address, bearer(sub), nowMs)) made += 1;
  return made;
}

/** Whether a token that is good is looked at. */
function good(doubts: Doubts, sub: string, nowMs = 0): boolean {
  const look = doubts.look("a", bearer(sub), nowMs);
  if ("retryAfterMs" in look) return false;
  doubts.good(look, { address: "a", subject: sub }, nowMs);
  return true;
}

const laws = [
  law("D1 looks that fail are as many as the quota, then as many as it gives back; the wait is told", (make) => {
    const doubts = make();
    expect(failing(doubts, 1_000)).toBe(200);
    expect(doubts.look("a", bearer("nobody"), 0)).toEqual({ retryAfterMs: 50 });
    expect(failing(doubts, 1_000, { nowMs: 1_000 })).toBe(20);
  }),
  law("D1 whatever comes when, and however long a look takes", (make) => {
    const ends = fc.constantFrom("false", "good", "unknown");
    const step = fc.record({ gapMs: fc.nat(500), looks: fc.nat(60), ended: fc.nat(60), ends });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const doubts = make();
        const running: Look[] = [];
        let nowMs = 0;
        let failed = 0;
        for (const { gapMs, looks, ended, ends: how } of steps) {
          nowMs += gapMs;
          for (let n = 0; n < looks; n += 1) {
            const look = doubts.look("a", "Bearer a.b.c", nowMs);
            if ("bucket" in look) running.push(look);
          }
          for (const look of running.splice(0, ended)) {
            if (how === "false") failed += 1;
            else if (how === "good") doubts.good(look, { address: "a", subject: "ada" }, nowMs);
            else doubts.unknown(look, nowMs);
          }
          expect(failed).toBeLessThanOrEqual(200 + (nowMs * 200) / 10_000);
        }
      }),
    );
  }),
  law("D2 good tokens are looked at however many there are, and leave the quota as it was", (make) => {
    const doubts = make();
    for (let user = 0; user < 2_000; user += 1) expect(good(doubts, `user-${user}`)).toBe(true);
    expect(failing(doubts, 1_000)).toBe(200);
  }),
  law("D3 a flood takes nothing from other addresses, nor from who had a good token at its own", (make) => {
    const doubts = make();
    expect(good(doubts, "ada")).toBe(true);
    expect(failing(doubts, 10_000)).toBe(200);
    expect(failing(doubts, 10, { address: "b" })).toBe(10);
    // New tokens of hers, every quarter of an hour.
    for (let nowMs = 0; nowMs < 3_600_000; nowMs += 900_000) {
      failing(doubts, 10_000, { nowMs });
      expect([good(doubts, "ada", nowMs), good(doubts, "bob", nowMs)]).toEqual([true, false]);
    }
  }),
  law("D1 a name that is guessed is worth one quota more, at its address alone", (make) => {
    const doubts = make();
    expect(good(doubts, "ada")).toBe(true);
    expect(failing(doubts, 10_000, { sub: "ada" })).toBe(400);
    expect(failing(doubts, 10_000, { sub: "ada", address: "b" })).toBe(200);
  }),
];

describeLaws(
  "doubts",
  laws,
  subject(() => new Doubts()),
);

class Free extends Doubts {
  override look(_address: string, _authorization: string, nowMs: number): Look | NoLook {
    return { bucket: { level: 0, at: nowMs } };
  }
}
class Keeping extends Doubts {
  override unknown(): void {}
}
class Forgetful extends Doubts {
  override good(look: Look, _who: { readonly address: string; readonly subject: string }, nowMs: number): void {
    this.unknown(look, nowMs);
  }
}
class Believing extends Doubts {
  override look(address: string, authorization: string, nowMs: number): Look | NoLook {
    const { sub } = JSON.parse(Buffer.from(authorization.split(".")[1] ?? "", "base64url").toString() || "{}") as {
      readonly sub?: string;
    };
    super.good({ bucket: { level: 0, at: nowMs } }, { address, subject: sub ?? "" }, nowMs);
    return super.look(address, authorization, nowMs);
  }
}
class Together extends Doubts {
  override look(_address: string, authorization: string, nowMs: number): Look | NoLook {
    return super.look("all", authorization, nowMs);
  }
}

const mutant = (breaks: string, fault: string, make: () => Doubts): Mutant<Subject> => ({
  ...{ breaks, fault, open: subject(make) },
});

describeMutants("doubts: mutants", laws, [
  mutant("D1", "nobody pays", () => new Free()),
  mutant("D1", "whoever names a subject is believed", () => new Believing()),
  mutant("D2", "nothing is given back", () => new Keeping()),
  mutant("D3", "nobody is remembered", () => new Forgetful()),
  mutant("D3", "all addresses are one", () => new Together()),
]);
