import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type JsonObject, parseServerUrl, Secret, silentLog, systemClock } from "@weft/kit";
import type { ChangeResult, DocumentChange } from "@weft/search";
import { shop } from "@weft/search/conformance";
import { expect, test } from "vitest";
import { Server } from "./server.ts";
import { applyChanges } from "./write.ts";

/** What a scripted server says of an item: what no real one can be made to say at will. */
type Say = (id: string, time: number) => { readonly status: number; readonly type?: string };

interface Scripted {
  readonly results: readonly ChangeResult[];
  /** Ids in the order in which they came, by request. */
  readonly requests: readonly (readonly string[])[];
}

async function applyTo(say: Say, changes: readonly DocumentChange[], found?: ChangeResult[]): Promise<Scripted> {
  const requests: string[][] = [];
  const times = new Map<string, number>();
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const lines = Buffer.concat(chunks).toString().trim().split("\n");
      const ids = lines.flatMap((line, at) => (at % 2 === 0 ? [idIn(line)] : []));
      requests.push(ids);
      const items = ids.map((id) => {
        times.set(id, (times.get(id) ?? 0) + 1);
        const { status, type } = say(id, times.get(id) ?? 0);
        return { index: { status, ...(type === undefined ? {} : { error: { type, reason: "because" } }) } };
      });
      response.writeHead(200, { "content-type": "application/json", "x-elastic-product": "Elasticsearch" });
      response.end(JSON.stringify({ items }));
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  const url = parseServerUrl(new Secret(`elasticsearch://127.0.0.1:${port}`), {
    scheme: "elasticsearch",
    defaultPort: 9200,
  });
  const random = (): number => 0;
  const options = { url, requestTimeoutMs: 5000, log: silentLog, clock: systemClock, random };
  try {
    await using server = new Server(options);
    const entry = { definition: shop, createTime: 0, alias: "weft.shop", target: "weft.shop.v1" };
    return {
      results: await applyChanges({ server, clock: systemClock, random, bulkTimeoutMs: 5000 }, entry, changes, found),
      requests,
    };
  } finally {
    http.close();
    http.closeAllConnections();
  }
}

function idIn(line: string): string {
  const [action] = Object.values(JSON.parse(line) as Readonly<Record<string, JsonObject>>);
  return String(action?.["_id"]);
}

function put(id: string, version?: bigint): DocumentChange {
  return { kind: "put", id, document: { id }, ...(version === undefined ? {} : { version }) };
}

const applied = { outcome: "applied" };
const rejected = { status: 429, type: "es_rejected_execution_exception" };

test("every item has its result: taken, superseded, refused, and taken after it was turned away", async () => {
  const say: Say = (id, time) => {
    if (id === "old") return { status: 409, type: "version_conflict_engine_exception" };
    if (id === "bad") return { status: 400, type: "document_parsing_exception" };
    return id === "later" && time < 3 ? rejected : { status: 201 };
  };
  const { results, requests } = await applyTo(say, [put("a", 1n), put("old", 1n), put("later", 1n), put("bad", 1n)]);
  expect(results).toEqual([
    applied,
    { outcome: "superseded" },
    applied,
    { outcome: "failed", reason: "INVALID_ARGUMENT", detail: "because" },
  ]);
  expect(requests).toEqual([["a", "old", "later", "bad"], ["later"], ["later"]]);
});

test("a change without a version that was turned away is followed by the later ones of its document", async () => {
  const say: Say = (id, time) => (id === "a" && time === 1 ? rejected : { status: 200 });
  const { results, requests } = await applyTo(say, [put("a"), put("b"), put("a")]);
  expect(results).toEqual([applied, applied, applied]);
  expect(requests).toEqual([
    ["a", "b", "a"],
    ["a", "a"],
  ]);
});

test("one that was taken and is to follow an earlier one has no result before that has", async () => {
  const say: Say = (id, time) => {
    if (id !== "a" || time === 2) return { status: 200 };
    return time === 1 ? rejected : { status: 403, type: "cluster_block_exception" };
  };
  const found: ChangeResult[] = [];
  const applying = applyTo(say, [put("a"), put("b"), put("a")], found);
  await expect(applying).rejects.toMatchObject({ reason: "FAILED_PRECONDITION" });
  expect([0, 1, 2].map((at) => found[at])).toEqual([undefined, applied, undefined]);
});

test("a server that goes on turning away, and a full disk, reject", async () => {
  await expect(applyTo(() => rejected, [put("a", 1n)])).rejects.toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
  const full: Say = () => ({ status: 503, type: "unavailable_shards_exception" });
  await expect(applyTo(full, [put("a", 1n)])).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  const gone: Say = () => ({ status: 404, type: "index_not_found_exception" });
  await expect(applyTo(gone, [put("a", 1n)])).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

test("many changes go side by side, those of one document in their order", async () => {
  const changes = Array.from({ length: 400 }, (_, at) => put(`d${at % 100}`, BigInt(at)));
  const { results, requests } = await applyTo(() => ({ status: 201 }), changes);
  expect(results).toHaveLength(400);
  expect(results.every(({ outcome }) => outcome === "applied")).toBe(true);
  expect(requests).toHaveLength(4);
  for (let id = 0; id < 100; id += 1) {
    expect(requests.filter((ids) => ids.includes(`d${id}`))).toHaveLength(1);
  }
});
