import { RateClass } from "@weft/contracts/options";
import type { Importance } from "@weft/resilience";
import type { RateClassName } from "./config.ts";

const names: Readonly<Record<RateClass, RateClassName | undefined>> = {
  [RateClass.UNSPECIFIED]: undefined,
  [RateClass.READ]: "read",
  [RateClass.WRITE]: "write",
  [RateClass.AUTH]: "auth",
  [RateClass.SEARCH]: "search",
  [RateClass.BULK]: "bulk",
  [RateClass.STREAM]: "stream",
};

/** A class as settings write it. One that a contract does not name is a write: it may cost as much. */
export function nameOfClass(rateClass: RateClass): RateClassName {
  return names[rateClass] ?? "write";
}

/** Who waits first when a target is in trouble: what runs by itself and can be late, then what can be done again. */
export const importanceOf: Readonly<Record<RateClassName, Importance>> = {
  read: "high",
  auth: "high",
  write: "middle",
  search: "middle",
  bulk: "low",
  stream: "low",
};
