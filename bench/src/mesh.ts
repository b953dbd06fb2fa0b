import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serverNames, startServer } from "@weft/native";
import { type Mesh, type ServerUrls, startMesh } from "@weft/system-tests";
import { type Benchmark, median, quantile, type Result } from "./result.ts";

function alone(name: string, ours: number, unit: string): Result {
  return { name, ours, peer: null, peerName: null, ratio: null, unit };
}

async function post(mesh: Mesh, path: string, body: string, type: string): Promise<Response> {
  const response = await fetch(`${mesh.url}/api/v1${path}`, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${mesh.token}`, "content-type": type },
    signal: AbortSignal.timeout(120_000),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return response;
}

async function hits(mesh: Mesh, query: string): Promise<number> {
  const response = await fetch(`${mesh.url}/api/v1/search/${query}`, {
    headers: { authorization: `Bearer ${mesh.token}` },
    signal: AbortSignal.timeout(10_000),
  });
  return ((await response.json()) as { totalHits: number }).totalHits;
}

export const startUp: Benchmark = {
  name: "start-up",
  about:
    "From `weft up` to the line that the mesh is ready: the first time in an empty folder, then the median of four more. Resident memory of each process is that of an idle mesh just started.",
  async run() {
    const dataDir = await mkdtemp(join(tmpdir(), "weft-bench-"));
    try {
      const later: number[] = [];
      const results: Result[] = [];
      for (let round = 0; round < 5; round += 1) {
        await using mesh = await startMesh({ dataDir });
        if (round === 0) results.push(alone("start-up-first", mesh.startMs, "ms"));
        else later.push(mesh.startMs);
        if (round === 4) {
          for (const { service, pid } of await mesh.status()) {
            const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
            results.push(alone(`memory-${service}`, Number(rss) / 1024, "MiB"));
          }
        }
      }
      return [...results, alone("start-up", median(later), "ms")];
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  },
};

export const loading: Benchmark = {
  name: "loading",
  about:
    "20,000 users posted to `users:import`, 20,000 documents posted to `documents:bulk`, over REST into the whole embedded mesh.",
  async run() {
    await using mesh = await startMesh();
    const count = 20_000;
    const users = Array.from({ length: count }, (_, at) =>
      JSON.stringify({
        email: `user${at}@example.org`,
        name: `User ${at}`,
        bio: `Number ${at} of many`,
        tags: [`t${at % 50}`],
      }),
    ).join("\n");
    let start = performance.now();
    await post(mesh, "/users:import", users, "application/x-ndjson");
    const imported = performance.now() - start;
    while ((await hits(mesh, "users?pageSize=1")) < count) await sleep(50);
    const searchable = performance.now() - start;

    const definition = {
      index: "bench",
      fields: [
        { name: "title", text: { weight: 2 } },
        { name: "body", text: {} },
        { name: "group", keyword: { facet: true } },
        { name: "size", integer: {} },
      ],
    };
    await post(mesh, "/indexes", JSON.stringify(definition), "application/json");
    const words = "the mesh carries every event once from the service that owns it to those who listen".split(" ");
    const documents = Array.from({ length: count }, (_, at) =>
      JSON.stringify({
        id: `d${at}`,
        title: `Document number ${at}`,
        body: Array.from({ length: 40 }, (_word, word) => words[(at * 7 + word * 3) % words.length]).join(" "),
        group: `g${at % 20}`,
        size: at,
      }),
    ).join("\n");
    start = performance.now();
    await post(mesh, "/indexes/bench/documents:bulk", documents, "application/x-ndjson");
    const loaded = performance.now() - start;
    return [
      alone("import", (count / imported) * 1000, "users/s"),
      alone("import-to-searchable", (count / searchable) * 1000, "users/s"),
      alone("bulk", (count / loaded) * 1000, "documents/s"),
    ];
  },
};

export const freshness: Benchmark = {
  name: "freshness",
  about:
    "From the answer of a sign-up, a moment after its commit, to the answer of the first search that finds it, at 200 sign-ups a second. One in twenty is looked for.",
  async run() {
    await using mesh = await startMesh();
    return await freshnessOf(mesh, "freshness", 200);
  },
};

export const freshnessStack: Benchmark = {
  name: "freshness-stack",
  about:
    "The same on Consul, Kafka, Redis, PostgreSQL and Elasticsearch, all of them on this machine, at 50 sign-ups a second, after 20 s of the same.",
  async run() {
    await using stack = new AsyncDisposableStack();
    const dir = await mkdtemp(join(tmpdir(), "weft-bench-"));
    stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
    const urls: [string, string][] = [];
    for (const name of serverNames) {
      const server = stack.use(await startServer(name, { dir: join(dir, name) }));
      urls.push([name, server.url]);
    }
    const servers = Object.fromEntries(urls) as ServerUrls; // Of every name.
    const mesh = stack.use(await startMesh({ servers }));
    // Java compiles while it works: what has just been started is slow for a while.
    await freshnessOf(mesh, "warm-up", 50);
    return await freshnessOf(mesh, "freshness-stack", 50);
  },
};

async function freshnessOf(mesh: Mesh, name: string, perSecond: number): Promise<Result[]> {
  const lasts = 20;
  const waits: number[] = [];
  const probes: Promise<void>[] = [];
  const writes: Promise<void>[] = [];
  const start = performance.now();
  for (let at = 0; at < perSecond * lasts; at += 1) {
    await sleep(Math.max(0, start + (at * 1000) / perSecond - performance.now()));
    const tag = `${name.replaceAll("-", "")}${at}`;
    writes.push(
      post(mesh, "/users", JSON.stringify({ email: `${tag}@example.org`, name: tag }), "application/json").then(
        async (response) => {
          const committed = performance.now();
          await response.arrayBuffer();
          // One in twenty is looked for, so that the looking does not become the load.
          if (at % 20 === 0) probes.push(probe(mesh, tag, committed).then((wait) => void waits.push(wait)));
        },
      ),
    );
  }
  await Promise.all(writes);
  await Promise.all(probes);
  // The first seconds warm every process up.
  const counted = waits.slice(Math.floor(waits.length / 5));
  return [alone(`${name}-p50`, quantile(counted, 0.5), "ms"), alone(`${name}-p99`, quantile(counted, 0.99), "ms")];
}

async function probe(mesh: Mesh, word: string, since: number): Promise<number> {
  while ((await hits(mesh, `users?q=${word}&pageSize=1`)) === 0) {
    if (performance.now() - since > 10_000) throw new Error(`${word} was not found within 10 s`);
    await sleep(2);
  }
  return performance.now() - since;
}
