import { WeftError } from "@weft/kit";
import type { OnDecision } from "../decision.ts";
import { Breaker, type BreakerState } from "./breaker.ts";
import { breakerDefaults, type BreakerOptions } from "./options.ts";

/** Methods beyond this many share one breaker: names may come from outside. */
const mostMethods = 1_000;

/** What {@link Breakers} are made of. */
export interface BreakersParts {
  /** Name of the service. */
  readonly target: string;
  readonly options?: BreakerOptions;
  readonly onDecision?: OnDecision;
}

/** The breakers of one caller for one target: one for each method that was called. Tells `breaker` and `refused`. */
export class Breakers {
  readonly #parts: BreakersParts;
  readonly #breakers = new Map<string, Breaker>();
  #options: Required<BreakerOptions>;

  constructor(parts: BreakersParts) {
    this.#parts = parts;
    this.#options = { ...breakerDefaults, ...parts.options };
  }

  /** From now on; what is left out goes back to its default. Closed breakers begin to count anew. */
  configure(options: BreakerOptions): void {
    this.#options = { ...breakerDefaults, ...options };
    for (const breaker of this.#breakers.values()) {
      if (!this.#options.enabled || breaker.state.kind === "closed") breaker.reset();
    }
  }

  /** @param method `weft.user.v1.UserService/GetUser` */
  of(method: string): Breaker {
    return this.#breakers.get(method) ?? this.#add(this.#breakers.size < mostMethods ? method : "others");
  }

  /** What a call that the breaker of `method` turned down fails with. Told, too. */
  refuse(method: string, nowMs: number): WeftError {
    const { target, onDecision } = this.#parts;
    onDecision?.({ kind: "refused", target, method, reason: "breaker-open" });
    return new WeftError("BREAKER_OPEN", `${target} fails ${method}: it is left alone for a while`, {
      retryAfterMs: Math.ceil(this.of(method).retryAfterMs(nowMs)),
    });
  }

  /** An instance became available: whoever is open looks at once. */
  wake(): void {
    for (const breaker of this.#breakers.values()) breaker.wake();
  }

  /** The state of each method that was called. */
  *states(): Generator<readonly [method: string, state: BreakerState["kind"]]> {
    for (const [method, breaker] of this.#breakers) yield [method, breaker.state.kind];
  }

  #add(method: string): Breaker {
    const known = this.#breakers.get(method);
    if (known !== undefined) return known;
    const { target, onDecision } = this.#parts;
    const breaker = new Breaker({
      options: () => this.#options,
      onChange: (state) => onDecision?.({ kind: "breaker", target, method, reason: state }),
    });
    this.#breakers.set(method, breaker);
    return breaker;
  }
}
