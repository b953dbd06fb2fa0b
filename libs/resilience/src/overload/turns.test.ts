import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import type { Priority } from "./priority.ts";
import { laws } from "./turn-laws.ts";
import { type Subject, subjectOf } from "./turn-subject.ts";
import { type LoopRound, LoopTurns } from "./turns.ts";

describeLaws("turns of the event loop", laws, async () => subjectOf((options) => new LoopTurns(options)));

/** One that is wrong on purpose. */
function mutant(breaks: string, fault: string, open: Subject["open"]): Mutant<Subject> {
  return { breaks, fault, open: async () => subjectOf(open) };
}

describeMutants("turns of the event loop: what is wrong is noticed", laws, [
  mutant(
    "T1",
    "a rest makes no difference",
    (options) =>
      new (class extends LoopTurns {
        override start(nowMs: number, round: LoopRound): void {
          super.start(nowMs, { ...round, hasRested: false });
        }
      })(options),
  ),
  mutant(
    "T2",
    "whatever comes is taken",
    (options) =>
      new (class extends LoopTurns {
        override offer(priority?: Priority): boolean {
          super.offer(priority);
          return true;
        }
      })(options),
  ),
  mutant(
    "T2",
    "what waits is forgotten",
    (options) =>
      new (class extends LoopTurns {
        override start(nowMs: number, round: LoopRound): void {
          super.start(nowMs, { ...round, waiting: 0 });
        }
      })(options),
  ),
  mutant(
    "T3",
    "each caller counts as two",
    (options) =>
      new (class extends LoopTurns {
        override offer(priority?: Priority): boolean {
          super.offer(priority);
          return super.offer(priority);
        }
      })(options),
  ),
  mutant(
    "T4",
    "nobody sees the loop stand still",
    (options) =>
      new (class extends LoopTurns {
        override start(nowMs: number, round: LoopRound): void {
          super.start(nowMs, { ...round, awayMs: 0 });
        }
      })(options),
  ),
  mutant(
    "T4",
    "each pause is the first one",
    (options) =>
      new (class extends LoopTurns {
        override start(nowMs: number, round: LoopRound): void {
          super.start(nowMs, { ...round, hasRested: true });
          super.start(nowMs + 101, round);
        }
      })(options),
  ),
  mutant(
    "T5",
    "refusals are work on calls",
    (options) =>
      new (class extends LoopTurns {
        override refuse(): void {
          super.refuse(0);
        }
      })(options),
  ),
  mutant("T5", "a refusal costs what the first one did", (options) => {
    let first: number | undefined;
    return new (class extends LoopTurns {
      override refuse(tookMs?: number): void {
        first ??= tookMs;
        super.refuse(first);
      }
    })(options);
  }),
  mutant(
    "T6",
    "a round begins all that waits",
    (options) =>
      new (class extends LoopTurns {
        override get hasRound(): boolean {
          return true;
        }
      })(options),
  ),
  mutant(
    "T7",
    "all calls have one priority",
    (options) =>
      new (class extends LoopTurns {
        override offer(): boolean {
          return super.offer();
        }
      })(options),
  ),
  mutant(
    "T7",
    "critical calls are taken, however many they are",
    (options) =>
      new (class extends LoopTurns {
        override offer(priority?: Priority): boolean {
          return super.offer(priority) || priority === "critical";
        }
      })(options),
  ),
]);
