import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import type { Priority } from "./priority.ts";
import { laws } from "./turn-laws.ts";
import { type Subject, subjectOf } from "./turn-subject.ts";
import { type LoopRound, LoopTurns } from "./turns.ts";

describeLaws("turns of the event loop", laws, async () => subjectOf((options) => new LoopTurns(options)));

/** One that is wrong on purpose. */
function mutant(breaks: string, fault: string, Wrong: typeof LoopTurns): Mutant<Subject> {
  return { breaks, fault, open: async () => subjectOf((options) => new Wrong(options)) };
}

/** One that is told something else of each round. */
function told(otherwise: Partial<LoopRound>): typeof LoopTurns {
  return class extends LoopTurns {
    override start(nowMs: number, round: LoopRound): void {
      super.start(nowMs, { ...round, ...otherwise });
    }
  };
}

describeMutants("turns of the event loop: what is wrong is noticed", laws, [
  mutant("T1", "a rest makes no difference", told({ hasRested: false })),
  mutant(
    "T2",
    "whatever comes is taken",
    class extends LoopTurns {
      override offer(priority?: Priority): boolean {
        super.offer(priority);
        return true;
      }
    },
  ),
  mutant("T2", "what waits is forgotten", told({ waiting: 0 })),
  mutant(
    "T3",
    "each caller counts as two",
    class extends LoopTurns {
      override offer(priority?: Priority): boolean {
        super.offer(priority);
        return super.offer(priority);
      }
    },
  ),
  mutant("T4", "nobody sees the loop stand still", told({ awayMs: 0 })),
  mutant(
    "T4",
    "each pause is the first one",
    class extends LoopTurns {
      override start(nowMs: number, round: LoopRound): void {
        super.start(nowMs, { ...round, hasRested: true });
        super.start(nowMs + 101, round);
      }
    },
  ),
  mutant(
    "T5",
    "refusals are work on calls",
    class extends LoopTurns {
      override refuse(): void {
        super.refuse(0);
      }
    },
  ),
  mutant(
    "T5",
    "a refusal costs what the first one did",
    class extends LoopTurns {
      #first: number | undefined;
      override refuse(tookMs?: number): void {
        this.#first ??= tookMs;
        super.refuse(this.#first);
      }
    },
  ),
  mutant(
    "T6",
    "a round begins all that waits",
    class extends LoopTurns {
      override get hasRound(): boolean {
        return true;
      }
    },
  ),
  mutant(
    "T7",
    "all calls have one priority",
    class extends LoopTurns {
      override offer(): boolean {
        return super.offer();
      }
    },
  ),
  mutant(
    "T7",
    "critical calls are taken, however many they are",
    class extends LoopTurns {
      override offer(priority?: Priority): boolean {
        return super.offer(priority) || priority === "critical";
      }
    },
  ),
]);
