import { UserService } from "@weft/contracts/user";
import { isWeftError, WeftError } from "@weft/kit";
import { createClient, openTransport } from "@weft/rpc";
import { bareConnection, type Connection, openBareServer } from "./bare.ts";
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
 * how many resets they take (CVE-2023-44487, 'rapid reset'; Node's takes 1,000 and then 33 a second) and then close the
 * connection, with every call on it.
 *
 * Three times: our client on our server, which says that it takes more; our client on a bare grpc-js server, which does
 * not, so that the client has to hold back; and as the control grpc-js' own client on that: where it loses no call, the
 * storm is none.
 */
export async function cancelStorms(world: World, options: CancelOptions): Promise<readonly Outcome[]> {
  const { token } = world;
  const server = world.replica("user", 1);
  const resetsBefore = await servedBy(server, "CANCELLED");
  const ours = await storm("cancel", ourConnection(server.ready.grpc, token), options);
  await world.check();
  // A client may let an answer come that nobody waits for, so as not to reset too many streams.
  const resets = (await servedBy(server, "CANCELLED")) - resetsBefore;
  const seen = [`given up, and seen by the server as cancelled: ${resets}`, 1] as const;
  return [{ ...ours, failures: [...ours.failures, seen] }, ...(await cancelControls(options))];
}

/** The storms that need no world. */
export async function cancelControls(options: CancelOptions): Promise<readonly Outcome[]> {
  await using bare = await openBareServer();
  const foreign = await storm("cancel, grpc-js server", ourConnection(bare.address, "none"), options);
  const control = await storm("cancel, grpc-js both", bareConnection(bare.address), options);
  return [foreign, { ...control, isControl: true }];
}

function ourConnection(address: string, token: string): Connection {
  const transport = openTransport({ address });
  const users = createClient(UserService, transport);
  return {
    call: (signal) => users.listUsers({ pageSize: 1 }, { authorization: `Bearer ${token}`, ...(signal && { signal }) }),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

/** Blows as hard as answers come, so that it is no overload beside. */
async function storm(
  scenario: string,
  connection: Connection,
  { cancelled, innocent }: CancelOptions,
): Promise<Outcome> {
  await using owned = connection;
  const { call } = owned;
  const failures = new Map<string, number>();
  const fail = (what: string): void => void failures.set(what, (failures.get(what) ?? 0) + 1);
  let failed = 0;
  let givenUp = 0;
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

  const each = Math.ceil(cancelled / innocent);
  const waiting = Array.from({ length: innocent }).values();
  const lane = async (): Promise<void> => {
    for (const _ of waiting) {
      const others = Array.from({ length: each }, giveUp);
      await call().catch((error: unknown) => {
        failed += 1;
        fail(`innocent: ${textOf(error)}`);
      });
      await Promise.all(others);
    }
  };
  await Promise.all(Array.from({ length: besides }, lane));

  fail(`given up by the caller: ${givenUp} of ${cancelled}`);
  // Answered before they were given up, they would prove nothing.
  const holds = failed === 0 && givenUp >= cancelled / 2;
  const none = { before: Number.NaN, fault: Number.NaN, after: Number.NaN };
  return {
    scenario,
    verdict: {
      holds,
      checks: [{ name: "failed", holds, value: failed, limit: 0 }],
      calls: innocent,
      failedOnce: 0,
      p50: none,
      p99: none,
      normal: none,
      quiet: none,
      evenness: {},
    },
    sickShare: undefined,
    resent: 0,
    degraded: 0,
    failures: [...failures].toSorted(([, a], [, b]) => b - a),
    examples: [],
    decisions: {},
    timeline: [],
  };
}

/** Without its numbers, so that alike failures are counted together. */
function textOf(error: unknown): string {
  const { code, message } = WeftError.from(error);
  return `${code} ${message.replaceAll(/\d+(\.\d+)?/g, "#").split(",")[0]}`;
}
