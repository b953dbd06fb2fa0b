import { isWeftError, WeftError } from "@weft/kit";
import type { StateOperation, StateStore } from "@weft/state";
import { identityOf, type Intake, rememberMs } from "./intake.ts";

/** Tries of a change that others keep overtaking. */
const maxTries = 10;

export interface ChangeOnceOptions extends Intake {
  /** How long the event is remembered, in milliseconds. Default {@link rememberMs}. */
  readonly ttlMs?: number;
}

/**
 * Carries out what `decide` says and records the event, in one transaction of the store: true when it did, false for an
 * event that was taken in, of which `decide` hears nothing.
 *
 * `decide` reads what it needs and answers at most 999 operations, with etags of what it has read. It is asked again
 * when another writer was faster, so it must have no effect of its own. `CONFLICT` when others stay faster, which leaves
 * the event to be delivered again. The records are under `taken-in/`.
 */
export async function changeOnce(
  store: Pick<StateStore, "get" | "transaction">,
  { group, event, ttlMs = rememberMs }: ChangeOnceOptions,
  decide: () => Promise<readonly StateOperation[]> | readonly StateOperation[],
): Promise<boolean> {
  const key = `taken-in/${group}/${identityOf(event).toString("base64url")}`;
  for (let count = 1; ; count += 1) {
    if ((await store.get(key)) !== undefined) return false;
    const effect = await decide();
    try {
      await store.transaction([{ kind: "set", key, value: new Uint8Array(0), ifAbsent: true, ttlMs }, ...effect]);
      return true;
    } catch (error) {
      // Either the event was taken in meanwhile, or what the effect builds on has changed: the next look tells.
      if (!isWeftError(error, "ETAG_MISMATCH")) throw error;
      if (count === maxTries) throw new WeftError("CONFLICT", "others keep changing the same keys", { cause: error });
    }
  }
}
