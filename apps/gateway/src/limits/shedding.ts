import { WeftError } from "@weft/kit";
import type { OnDecision, TurnOptions } from "@weft/resilience";
import { ProcessTurns, usualPriority } from "@weft/rpc";
import type { Route } from "../routes/table.ts";

export interface SheddingOptions {
  /** Of the process, for decisions. */
  readonly service: string;
  readonly onDecision?: OnDecision;
  /** Default: 60 ms of work for a turn. */
  readonly turns?: TurnOptions;
}

/**
 * Work for one turn of a loop without rest, in milliseconds of processor time, where settings don't say. More than that
 * of a server: its calls are many and cheap, and two hundred callers without a pause are no overload.
 */
const maxTurnMs = 60;

/** After so many seconds a call may be tried again: given out in turn, so that not all come back at once. */
const retryAfterSeconds = { interactive: [1, 2, 3], batch: [2, 4, 6] } as const;

/**
 * Turns calls away that the edge has no time for. What a target has too much of, the target refuses by itself; here the
 * event loop of the gateway decides alone, since how long its calls take is the targets' doing.
 */
export class Shedding {
  readonly #service: string;
  readonly #onDecision: OnDecision;
  readonly #turns: ProcessTurns;
  /** Calls turned down since the start. */
  readonly shed = { interactive: 0, batch: 0 };

  constructor({ service, onDecision = () => {}, turns }: SheddingOptions) {
    this.#service = service;
    this.#onDecision = onDecision;
    this.#turns = new ProcessTurns({ maxTurnMs, ...turns });
  }

  /** Takes other options from now on. */
  configure(turns: TurnOptions): void {
    this.#turns.configure({ maxTurnMs, ...turns });
  }

  /** Lets a call through, or throws `RESOURCE_EXHAUSTED`. */
  admit({ binding }: Route): void {
    const { contract } = binding;
    const priority = usualPriority(contract.policy.rateClass);
    if (this.#turns.offer(priority)) {
      this.#turns.take(priority);
      return this.#turns.begun();
    }
    this.#turns.refuse();
    this.shed[priority] += 1;
    this.#onDecision({ kind: "shed", target: this.#service, method: contract.name, reason: "event loop" });
    const waits = retryAfterSeconds[priority];
    throw new WeftError("RESOURCE_EXHAUSTED", "the gateway has more to do than it can", {
      retryAfterMs: (waits[this.shed[priority] % waits.length] ?? 1) * 1_000,
    });
  }
}
