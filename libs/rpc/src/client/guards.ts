import {
  Breakers,
  type BreakerOptions,
  Bulkhead,
  type BulkheadOptions,
  Hedges,
  type HedgingOptions,
  type OnDecision,
  Retries,
  type RetryOptions,
} from "@weft/resilience";

/** The sections of a policy that hold for calls, whoever takes them. */
export interface GuardsPolicy {
  readonly retry?: RetryOptions;
  readonly hedging?: HedgingOptions;
  readonly breaker?: BreakerOptions;
  readonly bulkhead?: BulkheadOptions;
}

/** What stands between a caller and a target, beside the choice of the instance. */
export class Guards {
  readonly retries: Retries;
  readonly hedges: Hedges;
  readonly breakers: Breakers;
  readonly bulkhead: Bulkhead;

  constructor(parts: { readonly target: string; readonly random: () => number; readonly onDecision?: OnDecision }) {
    this.retries = new Retries(parts);
    this.hedges = new Hedges(parts);
    this.breakers = new Breakers(parts);
    this.bulkhead = new Bulkhead(parts);
  }

  /** From now on; what is left out goes back to its default. */
  configure({ retry = {}, hedging = {}, breaker = {}, bulkhead = {} }: GuardsPolicy): void {
    this.retries.configure(retry);
    this.hedges.configure(hedging);
    this.breakers.configure(breaker);
    this.bulkhead.configure(bulkhead);
  }
}
