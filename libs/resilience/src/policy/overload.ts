import type { FieldViolation, JsonValue } from "@weft/kit";
import { degradeDefaults, type DegradeOptions } from "../overload/degrade.ts";
import { concurrencyDefaults, type ConcurrencyOptions, leastTolerance } from "../overload/limiter.ts";
import { overloadDefaults, type OverloadOptions } from "../overload/options.ts";
import { turnDefaults, type TurnOptions } from "../overload/turns.ts";
import { shape } from "./shape.ts";

/** Most calls that a limit may name. */
const maxCalls = 1_000_000;
/** Longest time that an option may name, in milliseconds. */
const maxMs = 600_000;

/** What {@link OverloadOptions} are read by, and the reference written from. */
export const overloadShape = shape.object<OverloadOptions>({
  concurrency: shape.object<ConcurrencyOptions>(
    {
      minLimit: shape.number({
        default: concurrencyDefaults.minLimit,
        min: 1,
        max: maxCalls,
        integer: true,
        about: "The limit never falls below this.",
      }),
      maxLimit: shape.number({
        default: concurrencyDefaults.maxLimit,
        min: 1,
        max: maxCalls,
        integer: true,
        about: "And never rises above this: what a process takes while all is well.",
      }),
      tolerance: shape.number({
        default: concurrencyDefaults.tolerance,
        min: leastTolerance,
        max: 100,
        about: "How many times its usual time a call may take before that counts as queueing.",
      }),
      toleratedMs: shape.number({
        default: concurrencyDefaults.toleratedMs,
        max: maxMs,
        about: "Queueing that nobody minds, on top of that.",
      }),
    },
    "How many calls a process takes at a time.",
  ),
  turns: shape.object<TurnOptions>(
    {
      maxTurnMs: shape.number({
        default: undefined,
        min: 1,
        max: maxMs,
        about: `Work that may wait for the event loop while it does not come to rest. Unset: ${turnDefaults.maxTurnMs}, at the gateway 60.`,
      }),
    },
    "How much it takes on at once.",
  ),
  degrade: shape.object<DegradeOptions>(
    {
      latencyMs: shape.number({
        default: degradeDefaults.latencyMs,
        max: maxMs,
        about: "Mean time that handlers take above this scores 40.",
      }),
      errorShare: shape.number({
        default: degradeDefaults.errorShare,
        max: 1,
        about: "A share of failed calls above this scores 35.",
      }),
      cpuShare: shape.number({
        default: degradeDefaults.cpuShare,
        max: 1,
        about: "A processor busier than this scores 25.",
      }),
      from: shape.number({
        default: degradeDefaults.from,
        max: 101,
        about: "Degraded from this score on; 101 is never.",
      }),
      below: shape.number({
        default: degradeDefaults.below,
        min: 1,
        max: 101,
        about: "Well again below this score.",
      }),
      calmMs: shape.number({ default: degradeDefaults.calmMs, max: maxMs, about: "For so long." }),
    },
    "When it tells its handlers to do less.",
  ),
  pressedCpuShare: shape.number({
    default: overloadDefaults.pressedCpuShare,
    max: 1,
    about: "Processor share above which calls of priority `batch` get half of their room while calls are refused.",
  }),
});

/** The options that a JSON value says, in full, or every problem that it has, by path. */
export function readOverload(
  value: JsonValue,
): { readonly value: OverloadOptions } | { readonly problems: readonly FieldViolation[] } {
  const problems: FieldViolation[] = [];
  const options = overloadShape.read(value, "", problems);
  return problems.length === 0 ? { value: options } : { problems };
}
