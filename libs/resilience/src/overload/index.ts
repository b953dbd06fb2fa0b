export { Admission, type WorkedCall } from "./admission.ts";
export { type DegradeOptions, degradeDefaults, DegradeScore, type Strain, type StrainPart } from "./degrade.ts";
export { concurrencyDefaults, ConcurrencyLimiter, type ConcurrencyOptions } from "./limiter.ts";
export { overloadDefaults, type OverloadOptions } from "./options.ts";
export { isPriority, priorities, type Priority } from "./priority.ts";
export { type LoopRound, LoopTurns, turnDefaults, type TurnOptions } from "./turns.ts";
