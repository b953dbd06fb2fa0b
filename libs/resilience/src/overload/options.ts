import type { DegradeOptions } from "./degrade.ts";
import type { ConcurrencyOptions } from "./limiter.ts";
import type { TurnOptions } from "./turns.ts";

/** How a server meets more work than it can do; plain JSON values, may change while it runs. */
export interface OverloadOptions {
  /** How many calls it takes at a time. */
  readonly concurrency?: ConcurrencyOptions;
  /** How much it takes on at once. */
  readonly turns?: TurnOptions;
  /** When it tells its handlers to do less. */
  readonly degrade?: DegradeOptions;
  /** Processor share, from 0 to 1, above which `batch` calls get half of their room while calls are refused. Default 0.85. */
  readonly pressedCpuShare?: number;
}

/** What is used where nothing else is said. */
export const overloadDefaults = { pressedCpuShare: 0.85 } as const;
