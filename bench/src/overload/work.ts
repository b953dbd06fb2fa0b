import { setTimeout as sleep } from "node:timers/promises";

/** Time on the processor for each call, in milliseconds of the clock: what else the machine does changes nothing. */
const workMs = 4;
/** Time that a call waits for somebody else. */
const waitMs = 20;

/** Calls a second that a server with one event loop can do. */
export const capacity = 1_000 / workMs;

/** What every server of the comparison does for a call. */
export async function work(): Promise<void> {
  const end = performance.now() + workMs;
  while (performance.now() < end);
  await sleep(waitMs);
}
