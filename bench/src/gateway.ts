import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import autocannon from "autocannon";
import { type Child, startChild } from "./child.ts";
import { caller } from "./peers/grpc-client.ts";
import { createUser, getUser } from "./peers/grpc-methods.ts";
import { create } from "@bufbuild/protobuf";
import { CreateUserRequestSchema, GetUserRequestSchema } from "@weft/contracts/user";
import { type Benchmark, interleave, type Result } from "./result.ts";

const connections = 32;
const seconds = 2;
const rounds = 5;
/**
 * Requests to each side before a round counts. A process that runs for days is compared: the first were seen to cost two
 * to three times the CPU of the later ones, as V8 compiles what turns out to be hot.
 */
const warmUpRequests = 40_000;
const peers = join(import.meta.dirname, "peers");
const gatewayMain = join(import.meta.dirname, "../../apps/gateway/src/main.ts");
/** Sign-ups are limited, too, and at the same cost, but not to what one person may do. */
const limits = JSON.stringify({ auth: { address: "1000000/1s" } });
const newUser = { email: "ada@example.org", name: "Ada Lovelace", bio: "mathematician", tags: ["a", "b"] };

const addressOf = (message: unknown): string | undefined => (message as { address?: string }).address;

interface Load {
  readonly requests: number;
  readonly perSecond: number;
}

/** As many requests as are answered in a round, or `amount` of them. */
async function load(address: string, method: "GET" | "POST", amount?: number): Promise<Load> {
  const result = await autocannon({
    url: `http://${address}/api/v1/users${method === "GET" ? "/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b" : ""}`,
    method,
    connections,
    ...(amount === undefined ? { duration: seconds } : { amount }),
    headers: { authorization: "Bearer bench", "content-type": "application/json" },
    ...(method === "POST" ? { body: JSON.stringify(newUser) } : {}),
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${address} failed ${result.non2xx + result.errors} of ${result.requests.total} requests`);
  }
  const requests = result.requests.total;
  return { requests, perSecond: requests / result.duration };
}

async function callRate(call: () => Promise<unknown>): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let calls = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      await call();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
  return calls / seconds;
}

/** Throughput, and requests for each CPU second of the process in front. */
async function compare(name: string, method: "GET" | "POST", gateway: Child, proxy: Child): Promise<readonly Result[]> {
  const measured = (child: Child) => async () => {
    const before = child.cpuMs();
    const { requests, perSecond } = await load(child.address, method);
    return { perSecond, perCpuSecond: (requests * 1000) / (child.cpuMs() - before) };
  };
  for (const child of [gateway, proxy]) await load(child.address, method, warmUpRequests);
  const compared = await interleave(rounds, measured(gateway), measured(proxy));
  const peerName = "hand-written fastify proxy";
  return [
    { name, ...compared("perSecond"), peerName, unit: "requests/s" },
    { name: `${name}-cpu`, ...compared("perCpuSecond"), peerName, unit: "requests/CPU s" },
  ];
}

/** Throughput over the gateway, and of a client in this process that calls the handler itself. */
async function compareDirect(
  name: string,
  method: "GET" | "POST",
  gateway: Child,
  call: () => Promise<unknown>,
): Promise<Result> {
  const compared = await interleave(
    3,
    async () => ({ perSecond: (await load(gateway.address, method)).perSecond }),
    async () => ({ perSecond: await callRate(call) }),
  );
  return { name, ...compared("perSecond"), peerName: "grpc-js client, no gateway", unit: "requests/s" };
}

export const gateway: Benchmark = {
  name: "gateway",
  about: `GET and POST of a user over ${connections} connections, the same handler behind: our gateway against a fastify proxy written by hand for these two routes, each after ${warmUpRequests.toLocaleString("en")} requests of that kind, and against calling the handler by bare grpc-js with no gateway at all.`,
  async run() {
    const dataDir = await mkdtemp(join(tmpdir(), "weft-bench-"));
    try {
      await using backend = await startChild(join(peers, "backend.ts"), { args: [dataDir], addressOf });
      await using proxy = await startChild(join(peers, "fastify-proxy.ts"), { args: [backend.address], addressOf });
      await using ours = await startChild(gatewayMain, {
        env: { WEFT_DATA_DIR: dataDir, WEFT_PORT: "0", WEFT_LOG_LEVEL: "warn", WEFT_GATEWAY_LIMITS: limits },
        addressOf: (message) => (message as { listeners?: string[] }).listeners?.[0],
      });
      const callGet = caller(backend.address, getUser);
      const callCreate = caller(backend.address, createUser);
      const get = () => callGet(create(GetUserRequestSchema, { id: "1" }));
      const post = () => callCreate(create(CreateUserRequestSchema, { user: newUser }));
      return [
        ...(await compare("gateway-get", "GET", ours, proxy)),
        ...(await compare("gateway-post", "POST", ours, proxy)),
        await compareDirect("gateway-get-direct", "GET", ours, get),
        await compareDirect("gateway-post-direct", "POST", ours, post),
      ];
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  },
};
