import { join } from "node:path";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import { GetUserRequestSchema, UserService } from "@weft/contracts/user";
import { createClient, openTransport } from "@weft/rpc";
import { type Child, startChild } from "./child.ts";
import {
  answeredWithin,
  between,
  type Call,
  goodput,
  load,
  peakOf,
  recovery,
  type Sample,
  shareOf,
} from "./overload/load.ts";
import { roundsOfWork, waitMs, workMs } from "./overload/work.ts";
import { getUser } from "./peers/grpc-methods.ts";
import type { Benchmark, Result } from "./result.ts";

/** A call is given up after this many milliseconds. */
const timeoutMs = 500;
/** What shows how much a server can do. */
const closedLoop = { callers: 16, warmUpSeconds: 3, seconds: 6 } as const;
/** The loads that calls come with by themselves, for each call of the peak. */
const loads = { usual: 0.6, overload: 5 } as const;
/** Seconds after the overload in which a server may recover. */
const watchedSeconds = 20;
const authorization = "Bearer bench";

/** How long the overload lasts, and what a call costs. */
interface Order {
  readonly seconds: number;
  /** Of {@link roundsOfWork}: the same for all servers. */
  readonly rounds: number;
}

/** What was found about one server and its client. */
interface Finding {
  /** Calls a second that are answered at most. */
  readonly peak: number;
  /** Answers in time under overload, for each of the peak. */
  readonly goodput: number;
  /** 99th percentile of answered calls under overload, for that at the usual load. */
  readonly slower: number;
  /** Share of critical calls that were not answered in time under overload. */
  readonly criticalLost: number;
  /** Share of critical calls that ours refused under overload; they are among the lost ones. */
  readonly criticalShed: number;
  /** Seconds. */
  readonly recovery: number;
}

export const overload: Benchmark = {
  name: "overload",
  about: `A server that does some hashing for each call, ${workMs} ms of a quiet machine's processor and the same for all servers, and then waits for ${waitMs} ms. Its peak is the calls a second that it answers to ${closedLoop.callers} callers, who each make one call after the other. From then on calls come at random, whether or not others were answered: at ${loads.usual} of that server's peak, which is the usual load, then at ${loads.overload} times its peak, then at the usual load again. Calls are given up after ${timeoutMs} ms. Ours: the mesh's server and client with their defaults. Peers: a server of grpc-js, and the same as a controller of NestJS, both called by the client of grpc-js. Goodput is answers in time under overload, as a share of the peak; slower is the 99th percentile of answered calls under overload against that at the usual load; critical calls are one in twenty, and lost when not answered in time. Recovery is the time from the end of the overload until calls go as usual for a second; a server that does not recover within ${watchedSeconds} s is told as ${watchedSeconds} s. Of retries, for each call of the whole run, and of critical calls shed, which are those of the lost ones that were refused, there is only ours to tell.`,
  async run({ seconds = 30 } = {}) {
    const order = { seconds, rounds: roundsOfWork() };
    const ours = await measureOurs(order);
    const rows: Result[] = [];
    for (const [peerName, script] of [
      ["grpc-js", "grpc-server.ts"],
      ["NestJS", "nest-server.ts"],
    ] as const) {
      const peer = await measurePeer(script, order);
      const row = (name: string, of: keyof Finding, unit: string, isLessBetter: boolean): Result => {
        const ratio = isLessBetter ? peer[of] / ours[of] : ours[of] / peer[of];
        const [mine, theirs] = unit === "%" ? [ours[of] * 100, peer[of] * 100] : [ours[of], peer[of]];
        return { name, ours: mine, peer: theirs, peerName, ratio: Number.isFinite(ratio) ? ratio : null, unit };
      };
      rows.push(
        row("overload-peak", "peak", "calls/s", false),
        row("overload-goodput", "goodput", "%", false),
        row("overload-slower", "slower", "times", true),
        row("overload-critical-lost", "criticalLost", "%", true),
        row("overload-recovery", "recovery", "s", true),
      );
    }
    const alone = { peer: null, peerName: null, ratio: null, unit: "%" };
    return [
      ...rows,
      { name: "overload-retries", ours: ours.retries * 100, ...alone },
      { name: "overload-critical-shed", ours: ours.criticalShed * 100, ...alone },
    ];
  },
};

async function measureOurs(order: Order): Promise<Finding & { readonly retries: number }> {
  await using server = await startServer("weft-server.ts", order);
  let calls = 0;
  let retries = 0;
  await using transport = openTransport({
    address: server.address,
    onDecision: ({ kind }) => {
      if (kind === "retried") retries += 1;
    },
  });
  const client = createClient(UserService, transport);
  const call: Call = (priority) => {
    calls += 1;
    return client.getUser({ id: "1" }, { authorization, priority, timeoutMs });
  };
  const finding = await measure(call, order);
  return { ...finding, retries: retries / calls };
}

async function measurePeer(script: string, order: Order): Promise<Finding> {
  await using server = await startServer(script, order);
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
    return await measure(call, order);
  } finally {
    client.close();
  }
}

async function measure(call: Call, { seconds }: Order): Promise<Finding> {
  const { peak, before } = await measureUsual(call, Math.max(2, Math.min(10, seconds / 3)));
  const samples = await load(call, [
    { perSecond: loads.overload * peak, seconds },
    { perSecond: loads.usual * peak, seconds: watchedSeconds },
  ]);
  const sinceMs = seconds * 1_000;
  const during = between(samples, 0, sinceMs);
  const critical = during.filter(({ priority }) => priority === "critical");
  return {
    peak,
    goodput: goodput(during, seconds) / peak,
    slower: answeredWithin(during, 0.99) / answeredWithin(before, 0.99),
    criticalLost: 1 - shareOf(critical, "answered"),
    criticalShed: shareOf(critical, "refused"),
    recovery: recovery(samples, { sinceMs, seconds: watchedSeconds, usualMedianMs: answeredWithin(before, 0.5) }),
  };
}

/** The peak, and how calls go at the usual load. Both again, twice at most, when the machine was too busy meanwhile. */
async function measureUsual(
  call: Call,
  seconds: number,
): Promise<{ readonly peak: number; readonly before: readonly Sample[] }> {
  for (let again = 2; ; again -= 1) {
    const peak = await peakOf(call, closedLoop);
    const before = await load(call, [{ perSecond: loads.usual * peak, seconds }]);
    const answered = shareOf(before, "answered");
    if (answered >= 0.9) return { peak, before };
    if (again > 0) continue;
    const percent = Math.round(answered * 100);
    throw new Error(`the machine is too busy: only ${percent} % of calls are answered at ${loads.usual} of the peak`);
  }
}

function startServer(script: string, { rounds }: Order): Promise<Child> {
  return startChild(join(import.meta.dirname, "overload", script), {
    args: [String(rounds)],
    addressOf: (message) =>
      isRecord(message) && typeof message["address"] === "string" ? message["address"] : undefined,
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
