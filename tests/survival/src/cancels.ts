import { UserService } from "@weft/contracts/user";
import { isWeftError, WeftError } from "@weft/kit";
import { createClient, openTransport } from "@weft/rpc";
import { servedBy } from "./metrics.ts";
import type { Outcome } from "./survival.ts";
import type { World } from "./world.ts";

export interface CancelOptions {
  /** Calls that are given up. */
  readonly cancelled: number;
  /** Calls beside them on the same connection. */
  readonly innocent: number;
}

/** Innocent calls that run at the same time: few, as a server turns away what it can not do soon. */
const besides = 8;
/** When the others are given up, in milliseconds. */
const giveUpMs = 1;

/**
 * A storm of calls that their callers give up, on one connection to a user service, and others on it that nobody gives
 * up: none of those may fail. A call is given up as soon as it was sent, which resets its stream; HTTP/2 servers bound
 * how many resets they take (CVE-2023-44487, 'rapid reset'; Node's takes 1,000 and then 33 a second). The storm blows
 * as hard as answers come, so that it is no overload beside.
 */
export async function cancelStorm(world: World, { cancelled, innocent }: CancelOptions): Promise<Outcome> {
  const { token } = world;
  const server = world.replica("user", 1);
  const resetsBefore = await servedBy(server, "CANCELLED");
  await using transport = openTransport({ address: server.ready.grpc });
  const users = createClient(UserService, transport);
  const failures = new Map<string, number>();
  const fail = (what: string): void => void failures.set(what, (failures.get(what) ?? 0) + 1);
  const call = (signal?: AbortSignal) =>
    users.listUsers({ pageSize: 1 }, { authorization: `Bearer ${token}`, ...(signal && { signal }) });
  const giveUp = async (): Promise<void> => {
    const end = new AbortController();
    // Sent by then, and hardly answered.
    setTimeout(() => end.abort(), giveUpMs);
    await call(end.signal).catch((error: unknown) => {
      if (isWeftError(error, "CANCELLED")) givenUp += 1;
      // What the storm meets is its own affair; told, as it explains the rest.
      else fail(`cancelled: ${textOf(error)}`);
    });
  };
  let failed = 0;
  let givenUp = 0;

  const each = Math.ceil(cancelled / innocent);
  const waiting = Array.from({ length: innocent }).values();
  const caller = async (): Promise<void> => {
    for (const _ of waiting) {
      const storm = Array.from({ length: each }, giveUp);
      await call().catch((error: unknown) => {
        failed += 1;
        fail(`innocent: ${textOf(error)}`);
      });
      await Promise.all(storm);
    }
  };
  await Promise.all(Array.from({ length: besides }, caller));
  await world.check();

  const resets = (await servedBy(server, "CANCELLED")) - resetsBefore;
  // A client may let an answer come that nobody waits for, so as not to reset too many streams.
  fail(`given up by the caller, and seen by the server as cancelled: ${resets} of ${givenUp}`);
  // Answered before they were given up, they would prove nothing.
  const isStorm = givenUp >= cancelled / 2;
  const holds = failed === 0 && isStorm;
  const none = { before: Number.NaN, fault: Number.NaN, after: Number.NaN };
  return {
    scenario: "cancel",
    verdict: {
      holds,
      checks: [{ name: "failed", holds, value: failed, limit: 0 }],
      calls: innocent,
      failedOnce: 0,
      p99: none,
    },
    sickShare: undefined,
    resent: 0,
    degraded: 0,
    failures: [...failures].toSorted(([, a], [, b]) => b - a),
    examples: [],
    decisions: {},
  };
}

/** Without its numbers, so that alike failures are counted together. */
function textOf(error: unknown): string {
  const { code, message } = WeftError.from(error);
  return `${code} ${message.replaceAll(/\d+(\.\d+)?/g, "#").split(",")[0]}`;
}
