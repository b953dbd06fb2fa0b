import type { Clock } from "@weft/kit";

/** How long a goodbye may take, in milliseconds. */
const limitMs = 2000;

/** Closes a connection. Never rejects, and does not wait for a server that has gone silent. */
export async function endClient(client: { end(): Promise<unknown> }, clock: Clock): Promise<void> {
  const limit = new AbortController();
  const timeUp = clock.sleep(limitMs, limit.signal).catch(() => undefined);
  await Promise.race([client.end().catch(() => undefined), timeUp]);
  limit.abort();
}
