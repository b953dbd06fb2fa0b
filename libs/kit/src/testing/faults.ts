import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { isWeftError } from "../errors.ts";
import type { Law } from "./laws.ts";
import type { FaultProxy } from "./proxy.ts";
import { within } from "./wait.ts";

/** One use of a block, complete in itself, which succeeds whenever its server is well. */
export interface Operation<Block> {
  /** The method, and what is special: `get`. */
  readonly title: string;
  /** Stores something: the operation that a full server refuses. */
  readonly writes: boolean;
  run(block: Block): Promise<unknown>;
}

/** The process of a server that the test started. */
export interface FaultyServer {
  /** `kill -9`. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same data; resolves when it is well. */
  start(): Promise<void>;
  /** Takes it to the limit of what it stores (disk watermark, `maxmemory`), until `empty`. */
  fill?(): Promise<{ empty(): Promise<void> }>;
}

/** A handle on a real server behind a proxy, made for one test. */
export interface FaultFixture<Block> extends AsyncDisposable {
  /** Talks to the server through `proxy` alone. */
  readonly block: Block;
  readonly proxy: FaultProxy;
  readonly server: FaultyServer;
  /** Within what an operation ends whose server does not answer, in milliseconds. Default 15,000. */
  readonly deadlineMs?: number;
  /** Within what every operation works again after the fault, in milliseconds. Default 20,000. */
  readonly recoveryMs?: number;
}

/** Which of the faults a server can have. */
export interface FaultOptions {
  /** False for a server that has no limit to reach: `F6` is then not listed. Default true, which needs {@link FaultyServer.fill}. */
  readonly canBeFull?: boolean;
}

const faultCodes = ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"] as const;
/** Added to what goes either way. */
const slowMs = 100;

/**
 * What every adapter of a real server holds when that server or the way to it fails: each operation ends in
 * `UNAVAILABLE`, `DEADLINE_EXCEEDED` or `RESOURCE_EXHAUSTED` within its deadline, and works again by itself when the
 * fault is over.
 */
export function faultLaws<Block>(
  operations: readonly Operation<Block>[],
  { canBeFull = true }: FaultOptions = {},
): readonly Law<FaultFixture<Block>>[] {
  const laws: Law<FaultFixture<Block>>[] = [
    {
      title: "F1 the connection is cut",
      run: (fixture) =>
        failsThenRecovers(
          fixture,
          operations,
          () => fixture.proxy.cut(),
          () => fixture.proxy.restore(),
        ),
    },
    {
      title: "F2 the server accepts and answers nothing",
      run: (fixture) =>
        failsThenRecovers(
          fixture,
          operations,
          () => fixture.proxy.stall(),
          () => fixture.proxy.restore(),
        ),
    },
    {
      title: "F3 the server is killed and started again",
      run: (fixture) =>
        failsThenRecovers(
          fixture,
          operations,
          () => fixture.server.kill(),
          () => fixture.server.start(),
        ),
    },
    {
      title: `F4 every answer comes ${2 * slowMs} ms later, which is no reason to fail`,
      run: async (fixture) => {
        await works(fixture, operations);
        await fixture.proxy.slow(slowMs);
        await works(fixture, operations);
        await fixture.proxy.restore();
      },
    },
    {
      title: "F5 the connection is reset once, which costs at most the calls under way",
      run: async (fixture) => {
        await works(fixture, operations);
        await fixture.proxy.reset();
        await recovers(fixture, operations);
      },
    },
  ];
  const full: Law<FaultFixture<Block>> = {
    title: "F6 the server is full, refuses what it should store and goes on reading",
    run: async (fixture) => {
      await works(fixture, operations);
      assert.ok(
        fixture.server.fill !== undefined,
        "the fixture can't fill its server; for one that has no limit: canBeFull",
      );
      const filled = await fixture.server.fill();
      for (const operation of operations) {
        if (operation.writes) await fails(fixture, operation);
        else await ends(fixture, operation);
      }
      await filled.empty();
      await recovers(fixture, operations);
    },
  };
  return canBeFull ? [...laws, full] : laws;
}

/** Runs {@link faultLaws} against an adapter and its real server, one after the other: a fault is everybody's. */
export function describeFaults<Block>(
  name: string,
  operations: readonly Operation<Block>[],
  open: () => Promise<FaultFixture<Block>>,
  options?: FaultOptions,
): void {
  describe(name, () => {
    for (const { title, run } of faultLaws(operations, options)) {
      const runLaw = async (): Promise<void> => {
        await using fixture = await open();
        await run(fixture);
      };
      test(title, runLaw, 240_000);
    }
  });
}

async function failsThenRecovers<Block>(
  fixture: FaultFixture<Block>,
  operations: readonly Operation<Block>[],
  breaks: () => Promise<void>,
  mends: () => Promise<void>,
): Promise<void> {
  await works(fixture, operations);
  await breaks();
  // Side by side, as callers are: one that waits must not hold up the others.
  await Promise.all(operations.map((operation) => fails(fixture, operation)));
  await mends();
  await recovers(fixture, operations);
}

/** Each by itself, as one may need what another stored. */
async function works<Block>(fixture: FaultFixture<Block>, operations: readonly Operation<Block>[]): Promise<void> {
  for (const operation of operations) await ends(fixture, operation);
}

async function recovers<Block>(fixture: FaultFixture<Block>, operations: readonly Operation<Block>[]): Promise<void> {
  const { recoveryMs = 20_000 } = fixture;
  for (const operation of operations) {
    let last: unknown;
    const succeeds = async (): Promise<boolean> => {
      last = await failureOf(fixture, operation);
      if (last !== undefined) assertFault(operation.title, last);
      return last === undefined;
    };
    await within(recoveryMs, `${operation.title} works again`, succeeds).catch((cause: unknown) => {
      throw new Error(`${operation.title} did not recover: ${String(last)}`, { cause });
    });
  }
}

async function fails<Block>(fixture: FaultFixture<Block>, operation: Operation<Block>): Promise<void> {
  const error = await failureOf(fixture, operation);
  assert.notEqual(error, undefined, `${operation.title} succeeded although its server can't have done it`);
  assertFault(operation.title, error);
}

/** What the operation rejects with; undefined when it succeeds. */
async function failureOf<Block>(fixture: FaultFixture<Block>, operation: Operation<Block>): Promise<unknown> {
  try {
    await ends(fixture, operation);
    return undefined;
  } catch (error) {
    return error ?? new Error("rejected with nothing");
  }
}

/** Runs the operation; rejects when it has not ended by the deadline. */
async function ends<Block>(
  { block, deadlineMs = 15_000 }: FaultFixture<Block>,
  { title, run }: Operation<Block>,
): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${title} did not end within ${deadlineMs} ms`)), deadlineMs);
  try {
    await Promise.race([run(block), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function assertFault(title: string, error: unknown): void {
  assert.ok(
    isWeftError(error, ...faultCodes),
    `${title} failed with ${String(error)}, which says nothing of a server that is away`,
  );
}
