import type { StatusObject } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import type { OnDecision } from "@weft/resilience";
import { isRefusal } from "../wire/status.ts";
import type { Guards } from "./guards.ts";
import type { Pool } from "./pool.ts";
import type { Pulse } from "./pulse.ts";

/** The way to a target, that all its calls share. */
export interface Way {
  readonly target: string;
  readonly pool: Pool;
  readonly pulse: Pulse;
  readonly guards: Guards;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly onDecision: OnDecision | undefined;
}

/** How long a call waits for an instance to be there unless it says otherwise, in milliseconds. */
export const defaultPatienceMs = 2_000;

/** What a call fails with that nobody took in time. */
export function nobodyThere({ target, pool }: Way): WeftError {
  return new WeftError("UNAVAILABLE", `no instance of ${target} ${pool.isEmpty ? "is there" : "can be reached"}`);
}

/** What a call fails with whose time is over. */
export function late(): WeftError {
  return new WeftError("DEADLINE_EXCEEDED", "the deadline passed");
}

/** What a call fails with whose transport was disposed. */
export function closedTransport({ target }: Way): WeftError {
  return new WeftError("CANCELLED", `the transport to ${target} is closed`);
}

/** Times that a call which nobody has seen is placed anew. */
const mostMoves = 3;

/**
 * Whether a try is simply made elsewhere, at once and for free: nobody has seen it, since the instance stops or its
 * connection had just ended (the transparent retry of gRFC A6). `moves`: how often that was so for this call.
 */
export function mayMove(error: WeftError, status: StatusObject, moves: number): boolean {
  return error.code === "UNAVAILABLE" && moves < mostMoves && isRefusal(status);
}
