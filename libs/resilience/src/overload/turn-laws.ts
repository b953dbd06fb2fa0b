import type { Law } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import { come, fill, type Subject, turn } from "./turn-subject.ts";

/** The laws of turns by number; see {@link LoopTurns}. */
export const laws: readonly Law<Subject>[] = [
  {
    title: "T1 a turn after a rest takes whatever comes, and soon after it five times as much as later",
    run: async ({ warm }) => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 5_000 }),
          fc.double({ min: 0.01, max: 50, noNaN: true }),
          (offered, costMs) => {
            expect(turn(warm(costMs, 100), 10_000, { offered, costMs }).taken).toBe(offered);
            const { taken } = turn(warm(costMs, 100), 10_000, { offered, costMs, tiredMs: 99 });
            expect(Math.abs(taken - Math.min(offered, 500 / costMs))).toBeLessThan(1.001);
          },
        ),
      );
    },
  },
  {
    title: "T2 one without takes on as much as it can do in its time, and never nothing",
    run: async ({ warm }) => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 5_000 }),
          fc.double({ min: 0.01, max: 500, noNaN: true }),
          (offered, costMs) => {
            const { taken } = turn(warm(costMs, 100), 10_000, { tiredMs: 101, offered, costMs });
            expect(taken).toBeGreaterThanOrEqual(1);
            if (taken > 1) expect(taken * costMs).toBeLessThan(100.001);
            if (taken < offered) expect((taken + 1) * costMs).toBeGreaterThan(99.999);
          },
        ),
      );
    },
  },
  {
    title: "T3 few callers are all taken, whatever their calls cost",
    run: async ({ warm }) => {
      const turns = warm(50, 40);
      for (let at = 0, startMs = 10_000; at < 20; at += 1) {
        const { taken, endMs } = turn(turns, startMs, {
          ...(at === 0 && { tiredMs: 500, before: 20 }),
          offered: 20,
          costMs: 50,
        });
        expect(taken).toBe(20);
        startMs = endMs;
      }
      expect(turn(warm(50, 40), 10_000, { tiredMs: 101, before: 21, offered: 20, costMs: 50 }).taken).toBe(1);
    },
  },
  {
    title: "T4 what came while the loop stood still is taken, and less and less after that",
    run: async ({ warm }) => {
      const turns = warm(5, 40);
      let { taken, endMs } = turn(turns, 10_000, { tiredMs: 1_500, offered: 1_000, costMs: 5 });
      expect(taken).toBe(150);
      for (let at = 0; at < 12; at += 1) {
        come(turns, endMs, false);
        let next = 0;
        for (let call = 0; call < 1_000; call += 1) {
          if (!turns.offer()) continue;
          turns.take();
          turns.begin();
          next += 1;
        }
        expect(next).toBeLessThanOrEqual(Math.max(8, taken * 0.75));
        endMs += next * 5;
        turns.end(next * 5);
        taken = next;
      }
      expect(taken).toBe(8);
      expect(turn(warm(5, 40), 100_000, { tiredMs: 60_000, offered: 1_000, costMs: 5 }).taken).toBe(200);
    },
  },
  {
    title: "T4 a loop that stands still again and again without a rest gets no more for it than a second",
    run: async ({ warm }) => {
      const turns = warm(5, 40);
      let startMs = 10_000;
      const taken: number[] = [];
      for (let at = 0; at < 30; at += 1) {
        const how = { ...(at === 0 && { tiredMs: 800 }), hasRested: false, offered: 1_000, costMs: 5 };
        const next = turn(turns, startMs, how);
        taken.push(next.taken);
        startMs = next.endMs + 700;
      }
      expect(taken[0]).toBe(80);
      expect(taken.reduce((sum, count) => sum + count * 5, 0)).toBeLessThan(30 * 40 + 4 * 1_000);
      expect(taken.slice(20)).toEqual(Array(10).fill(8));
    },
  },
  {
    title: "T5 what refusals cost takes nothing from the calls that are taken",
    run: async ({ warm }) => {
      fc.assert(
        fc.property(
          fc.double({ min: 0.2, max: 10, noNaN: true }),
          // All of them cost up to three times what the calls that are taken do, and each is known to two percent.
          fc.double({ min: 0.02, max: 0.12, noNaN: true }),
          fc.integer({ min: 300, max: 1_000 }),
          (costMs, refusalMs, offered) => {
            const turns = warm(costMs, 40);
            let startMs = 10_000;
            for (let at = 0; at < 40; at += 1) {
              const how = { ...(at === 0 && { tiredMs: 101 }), hasRested: false, offered, costMs, refusalMs };
              const { taken, endMs } = turn(turns, startMs, how);
              expect(taken).toBeGreaterThanOrEqual(Math.min(offered, Math.floor((40 / costMs) * 0.85)));
              if (at > 8) expect(taken).toBeLessThanOrEqual(Math.max(1, (40 / costMs) * 1.2));
              startMs = endMs;
            }
          },
        ),
      );
    },
  },
  {
    title: "T2 a clock of processor time that goes by ticks of 4 ms tells what calls cost all the same",
    run: async ({ open }) => {
      const turns = open({ maxTurnMs: 40 });
      let workedMs = 0;
      let toldMs = 0;
      for (let at = 0; at < 400; at += 1) {
        come(turns, at * 1_000, true);
        turns.offer();
        turns.take();
        turns.begin();
        workedMs += 0.9;
        turns.end(Math.floor(workedMs / 4) * 4 - toldMs);
        toldMs = Math.floor(workedMs / 4) * 4;
      }
      const { taken } = turn(turns, 500_000, { tiredMs: 101, offered: 1_000, costMs: 0.9 });
      expect(taken).toBeGreaterThanOrEqual(40);
      expect(taken).toBeLessThanOrEqual(60);
    },
  },
  {
    title: "T2 five times the load does not make turns longer and longer",
    run: async ({ warm }) => {
      const turns = warm(5, 150);
      let startMs = 10_000;
      let tookMs = 5;
      for (let at = 0; at < 20; at += 1) {
        const { endMs } = turn(turns, startMs, { tiredMs: 101, offered: tookMs, costMs: 5 });
        tookMs = Math.ceil(endMs - startMs);
        expect(tookMs).toBeLessThanOrEqual(150);
        startMs = endMs;
      }
    },
  },
  {
    title: "T2 what waits counts, whenever it was taken",
    run: async ({ warm }) => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 60 }), (costMs, waiting) => {
          const turns = warm(costMs, 40);
          turn(turns, 10_000, { tiredMs: 101, offered: 1_000, costMs });
          come(turns, 10_040, false, waiting);
          expect(fill(turns)).toBe(Math.max(waiting === 0 ? 1 : 0, Math.floor(40 / costMs) - waiting));
        }),
      );
    },
  },
  {
    title: "T3 few callers are all taken, however many rounds it takes to begin their calls",
    run: async ({ warm }) => {
      const turns = warm(5, 40);
      let nowMs = 10_000;
      let waiting = 0;
      // Twenty callers, of whom each calls again as soon as it is answered, and that is at the end of a round.
      for (let round = 0, calling = 20; round < 200; round += 1) {
        come(turns, nowMs, false, waiting);
        for (; calling > 0; calling -= 1) {
          expect(turns.offer()).toBe(true);
          turns.take();
          waiting += 1;
        }
        for (; waiting > 0 && turns.hasRound; calling += 1) {
          turns.begin();
          waiting -= 1;
        }
        turns.end(calling * 5);
        nowMs += calling * 5;
      }
      // Sixty are not few.
      for (let round = 0; round < 50; round += 1) {
        come(turns, nowMs, false, waiting);
        for (let call = 0; call < 6; call += 1) {
          if (!turns.offer()) continue;
          turns.take();
          waiting += 1;
        }
        for (let begun = 0; begun < 2; begun += 1) turns.begin();
        waiting -= 2;
        nowMs += 10;
      }
      expect(waiting).toBeLessThanOrEqual(8);
    },
  },
  {
    title: "T4 a pause in the middle of a turn is made good for at once",
    run: async ({ warm }) => {
      const turns = warm(5, 40);
      turn(turns, 10_000, { tiredMs: 101, offered: 1_000, costMs: 5 });
      come(turns, 10_040, false, 8);
      turns.begin();
      come(turns, 10_060, false, 7);
      come(turns, 11_060, false, 7);
      expect(fill(turns)).toBe(100 - 7);
    },
  },
  {
    title: "T5 refusals that now and then seem to take long are none the dearer",
    run: async ({ warm }) => {
      const turns = warm(4, 40);
      let startMs = 10_000;
      let refused = 0;
      // The first ones of a process are slow, and other work comes between.
      const refusalTold = (ms: number): number => ((refused += 1) < 6 || refused % 4 === 0 ? 8 : ms);
      for (let at = 0; at < 60; at += 1) {
        const how = { hasRested: false, offered: 40, costMs: 4, refusalMs: 0.05, refusalTold };
        const { taken, endMs } = turn(turns, startMs, { ...how, ...(at === 0 && { tiredMs: 101 }) });
        expect(taken).toBeLessThanOrEqual(12);
        startMs = endMs;
      }
    },
  },
  {
    title: "T5 calls that end before they begin are none",
    run: async ({ warm }) => {
      const turns = warm(4, 100);
      for (let round = 0; round < 100; round += 1) {
        come(turns, 10_000 + round * 20, false, 1_000);
        turns.begin();
        for (let call = 0; call < 100; call += 1) turns.drop();
        turns.end(4);
      }
      expect(turn(turns, 20_000, { tiredMs: 101, offered: 1_000, costMs: 4 }).taken).toBe(25);
    },
  },
  {
    title: "T6 a round ends a hundred calls that nobody waits for any more, and goes on with them in the next",
    run: async ({ warm }) => {
      const turns = warm(4, 40);
      come(turns, 10_000, true, 1_000);
      let dropped = 0;
      for (; turns.hasRound && dropped < 1_000; dropped += 1) turns.drop();
      expect(dropped).toBeGreaterThanOrEqual(100);
      expect(dropped).toBeLessThanOrEqual(101);
    },
  },
  {
    title: "T2 a first round that is long is enough to know what calls cost",
    run: async ({ open }) => {
      const turns = open({ maxTurnMs: 40 });
      come(turns, 10_000, true);
      for (let call = 0; call < 300 && turns.offer(); call += 1) {
        turns.take();
        turns.begin();
      }
      turns.end(1_200);
      // That the loop was away for so long was its own doing.
      come(turns, 11_200, false);
      expect(fill(turns)).toBe(10);
    },
  },
  {
    title: "T6 a round begins 10 ms of work, or one call",
    run: async ({ warm }) => {
      fc.assert(
        fc.property(fc.double({ min: 0.05, max: 50, noNaN: true }), (costMs) => {
          const turns = warm(costMs, 40);
          come(turns, 10_000, true, 1_000);
          let begun = 0;
          for (; turns.hasRound && begun < 1_000; begun += 1) turns.begin();
          expect(begun).toBeGreaterThanOrEqual(1);
          if (begun > 1) expect(begun * costMs).toBeLessThan(10.001);
          expect((begun + 1) * costMs).toBeGreaterThan(9.999);
        }),
      );
    },
  },
  {
    title: "T7 calls of batch find less room, and none after others took more",
    run: async ({ warm }) => {
      expect(turn(warm(5, 100), 10_000, { tiredMs: 101, offered: 1_000, costMs: 5, priority: "batch" }).taken).toBe(14);
      const turns = warm(5, 100);
      turn(turns, 10_000, { tiredMs: 101, offered: 14, costMs: 5 });
      expect([turns.offer("batch"), turns.offer()]).toEqual([false, true]);
    },
  },
  {
    title: "T7 a critical call is taken where any other is",
    run: async ({ warm }) => {
      fc.assert(
        fc.property(
          fc.array(fc.record({ awayMs: fc.integer({ min: 1, max: 3_000 }), offered: fc.nat({ max: 100 }) }), {
            maxLength: 20,
          }),
          (rounds) => {
            const turns = warm(4, 40);
            let nowMs = 10_000;
            let waiting = 0;
            for (const { awayMs, offered } of [{ awayMs: 101, offered: 50 }, ...rounds]) {
              nowMs += awayMs;
              turns.start(nowMs, { hasRested: awayMs % 7 === 0, awayMs, waiting });
              for (let call = 0; call < offered; call += 1) {
                const isTaken = turns.offer();
                if (isTaken) expect(turns.offer("critical")).toBe(true);
                if (!isTaken) continue;
                turns.take();
                waiting += 1;
              }
              for (; waiting > 0 && turns.hasRound; waiting -= 1) turns.begin();
              turns.end(8);
            }
          },
        ),
      );
    },
  },
  {
    title: "T7 critical calls are turned down for critical ones alone, and when they are many",
    run: async ({ warm }) => {
      const turns = warm(5, 40);
      turn(turns, 10_000, { tiredMs: 101, offered: 1_000, costMs: 5 });
      come(turns, 10_040, false, 8);
      expect(turns.offer()).toBe(false);
      expect(fill(turns, "critical")).toBe(40);
      expect(turns.offer()).toBe(false);
      turns.start(10_060, { hasRested: false, awayMs: 20, waiting: 46, critical: 39 });
      expect([turns.offer("critical"), turns.offer("batch")]).toEqual([true, false]);
    },
  },
];
