import { join } from "node:path";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import { GetUserRequestSchema, UserService } from "@weft/contracts/user";
import { type CallOptions, createClient, openTransport } from "@weft/rpc";
import { type Child, startChild } from "./child.ts";
import { answeredWithin, goodput, load, recovery } from "./overload/load.ts";
import { capacity } from "./overload/work.ts";
import { getUser } from "./peers/grpc-methods.ts";
import type { Benchmark, Result } from "./result.ts";

/** A call is given up after this many milliseconds. */
const timeoutMs = 500;
/** What keeps a server busy, in calls a second. */
const usual = 0.8 * capacity;
const authorization = "Bearer bench";

type Call = (priority: NonNullable<CallOptions["priority"]>) => Promise<unknown>;

/** What was found about one server and its client. */
interface Finding {
  /** Answers in time under five times the load, for each answer at the usual load. */
  readonly goodput: number;
  /** 99th percentile of answered calls under five times the load, for that at the usual load. */
  readonly slower: number;
  /** Share of critical calls that were not answered. */
  readonly criticalLost: number;
  /** Seconds. */
  readonly recovery: number;
}

export const overload: Benchmark = {
  name: "overload",
  about: `A server that needs the processor for 4 ms for each call and then waits for 20 ms, so ${capacity} calls a second are all it can do, under five times of that, then as before. Calls come at random whether or not others were answered, and are given up after ${timeoutMs} ms. Ours: the mesh's server and client with their defaults. Peers: a server of grpc-js, and the same as a controller of NestJS, both called by the client of grpc-js. Goodput is answers in time under overload, as a share of those at 0.8 of the capacity; slower is the 99th percentile of answered calls against that before; of retries and refused critical calls there is only ours to tell.`,
  async run({ seconds = 30 } = {}) {
    const ours = await measureOurs(seconds);
    const rows: Result[] = [];
    for (const [peerName, script] of [
      ["grpc-js", "grpc-server.ts"],
      ["NestJS", "nest-server.ts"],
    ] as const) {
      const peer = await measurePeer(script, seconds);
      const row = (name: string, of: keyof Finding, unit: string, isLessBetter: boolean): Result => {
        const ratio = isLessBetter ? peer[of] / ours[of] : ours[of] / peer[of];
        const [mine, theirs] = unit === "%" ? [ours[of] * 100, peer[of] * 100] : [ours[of], peer[of]];
        return { name, ours: mine, peer: theirs, peerName, ratio: Number.isFinite(ratio) ? ratio : null, unit };
      };
      rows.push(
        row("overload-goodput", "goodput", "%", false),
        row("overload-slower", "slower", "times", true),
        row("overload-critical-lost", "criticalLost", "%", true),
        row("overload-recovery", "recovery", "s", true),
      );
    }
    const retries = { ours: ours.retries * 100, peer: null, peerName: null, ratio: null, unit: "%" };
    return [...rows, { name: "overload-retries", ...retries }];
  },
};

async function measureOurs(seconds: number): Promise<Finding & { readonly retries: number }> {
  let attempts: ((count: number) => void) | undefined;
  await using server = await startServer("weft-server.ts", (message) => {
    if (isRecord(message) && typeof message["attempts"] === "number") attempts?.(message["attempts"]);
  });
  const count = (): Promise<number> =>
    new Promise((resolve) => {
      attempts = resolve;
      server.send({});
    });
  await using transport = openTransport({ address: server.address });
  const client = createClient(UserService, transport);
  let calls = 0;
  const call: Call = (priority) => {
    calls += 1;
    return client.getUser({ id: "1" }, { authorization, priority, timeoutMs });
  };
  const finding = await measure(call, seconds);
  return { ...finding, retries: (await count()) / calls - 1 };
}

async function measurePeer(script: string, seconds: number): Promise<Finding> {
  await using server = await startServer(script);
  const client = new Client(server.address, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set("authorization", authorization);
  const request = create(GetUserRequestSchema, { id: "1" });
  const { path, requestSerialize, responseDeserialize } = getUser;
  const call: Call = () =>
    new Promise<void>((resolve, reject) => {
      const deadline = Date.now() + timeoutMs;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, { deadline }, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  try {
    return await measure(call, seconds);
  } finally {
    client.close();
  }
}

async function measure(call: Call, seconds: number): Promise<Finding> {
  const shortly = Math.max(2, Math.min(10, seconds / 3));
  await load(call, { perSecond: usual / 2, seconds: 3 });
  const before = await load(call, { perSecond: usual, seconds: shortly });
  if (goodput(before, shortly) < 0.9 * usual) {
    throw new Error(
      `the machine is too busy: of ${usual} calls a second only ${goodput(before, shortly)} were answered`,
    );
  }
  const during = await load(call, { perSecond: 5 * capacity, seconds });
  const after = await load(call, { perSecond: usual, seconds: Math.max(5, shortly) });
  const critical = during.filter(({ priority }) => priority === "critical");
  return {
    goodput: goodput(during, seconds) / goodput(before, shortly),
    slower: answeredWithin(during, 0.99) / answeredWithin(before, 0.99),
    criticalLost: critical.filter(({ ok }) => !ok).length / critical.length,
    recovery: recovery(after, answeredWithin(before, 0.5)),
  };
}

function startServer(script: string, onMessage?: (message: unknown) => void): Promise<Child> {
  return startChild(join(import.meta.dirname, "overload", script), {
    addressOf: (message) =>
      isRecord(message) && typeof message["address"] === "string" ? message["address"] : undefined,
    ...(onMessage !== undefined && { onMessage }),
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
