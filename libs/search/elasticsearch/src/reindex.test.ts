import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { parseServerUrl, Secret, silentLog, systemClock } from "@weft/kit";
import { encodeDefinition } from "@weft/search";
import { shop } from "@weft/search/conformance";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Catalog } from "./catalog.ts";
import { openElasticsearch } from "./open.ts";
import { reindex, type ReindexContext } from "./reindex.ts";
import { Server } from "./server.ts";
import { removeUnread } from "./siblings.ts";

const alias = `weft.${shop.index}`;
const old = `${alias}.v1`;

/** The little of a server that a reindex of an empty index needs. */
class Toy {
  readonly calls: string[] = [];
  /** The live index, and which indexes are blocked for writes. */
  live = old;
  readonly indexes = new Map([[old, false]]);
  /** Numbers above which each round searched. */
  readonly rounds: number[] = [];
  /** Checkpoints of the looks to come; the last stays. */
  readonly checkpoints: { readonly global_checkpoint: number; readonly max_seq_no: number }[] = [
    { global_checkpoint: 4, max_seq_no: 4 },
  ];
  /** Goes before the answer to a call. */
  before: (call: string) => void = () => undefined;

  answer(call: string, body: Body): object | undefined {
    this.calls.push(call);
    this.before(call);
    const [method, path = ""] = call.split(" ");
    const [, name = "", action] = path.split("/");
    if (path === "/_aliases") return this.#actions(body.actions ?? []);
    if (path === "/_search") {
      const above = body.query?.range?._seq_no.gt;
      if (above !== undefined) this.rounds.push(above);
      return { hits: { hits: [] } };
    }
    if (path === "/_pit") return {};
    if (name === "_index_template") return { index_templates: [{ index_template: { version: 99 } }] };
    if (method === "PUT" && action === undefined) return this.indexes.set(name, false) && {};
    if (method === "GET" && action === undefined) return this.#describe(name);
    if (!this.indexes.has(name)) return undefined;
    if (action === "_block") return this.indexes.set(name, true) && { shards_acknowledged: true };
    if (action === "_settings") return this.indexes.set(name, false) && {};
    if (action === "_pit") return { id: "p" };
    if (action === "_count") return { count: 0 };
    if (action !== "_stats" || path.endsWith("/search")) return { _all: { total: { search: { open_contexts: 1 } } } };
    const seqNo = this.checkpoints.length > 1 ? this.checkpoints.shift() : this.checkpoints[0];
    return { indices: { [name]: { shards: { 0: [{ routing: { primary: true }, seq_no: seqNo }] } } } };
  }

  #describe(name: string): object {
    const names = name.endsWith("*") ? [...this.indexes.keys()] : [name === alias ? this.live : name];
    const weft = { definition: encodeDefinition(shop), createTime: 0 };
    const found = names.filter((one) => this.indexes.has(one));
    return Object.fromEntries(
      found.map((one) => {
        const settings = { "index.blocks.write": String(this.indexes.get(one)) };
        const aliases = one === this.live ? { [alias]: {} } : {};
        return [one, { aliases, settings, mappings: { _meta: { weft } } }];
      }),
    );
  }

  #actions(actions: readonly Action[]): object | undefined {
    const names = actions.map((action) => Object.values(action)[0]?.index ?? "");
    if (!names.every((name) => this.indexes.has(name)) || actions[0]?.remove?.index !== this.live) return undefined;
    for (const { add, remove_index: gone } of actions) {
      if (add !== undefined) this.live = add.index;
      if (gone !== undefined) this.indexes.delete(gone.index);
    }
    return {};
  }
}

type Action = Readonly<Partial<Record<"remove" | "add" | "remove_index", { readonly index: string }>>>;

interface Body {
  readonly actions?: readonly Action[];
  readonly query?: { readonly range?: { readonly _seq_no: { readonly gt: number } } };
}

let stack: AsyncDisposableStack;
let toy: Toy;
let secret: Secret;
let context: ReindexContext;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  toy = new Toy();
  const http = createServer((request, response) => {
    void (async () => {
      const body = await text(request);
      const { pathname } = new URL(request.url ?? "", "http://toy");
      const found = toy.answer(`${request.method} ${pathname}`, (body === "" ? {} : JSON.parse(body)) as Body);
      response.writeHead(found === undefined ? 404 : 200, {
        "content-type": "application/json",
        "x-elastic-product": "Elasticsearch",
      });
      response.end(JSON.stringify(found ?? { error: { type: "index_not_found_exception", reason: "" } }));
    })();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  stack.defer(() => void http.close());
  secret = new Secret(`elasticsearch://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const url = parseServerUrl(secret, { scheme: "elasticsearch", defaultPort: 9200 });
  const [clock, random] = [systemClock, (): number => 0];
  const server = stack.use(new Server({ url, requestTimeoutMs: 10_000, log: silentLog, clock, random }));
  const catalog = new Catalog({ server, namespace: "weft", clock });
  context = { server, clock, random, bulkTimeoutMs: 10_000, catalog };
});
afterEach(() => stack.disposeAsync());

test("a round goes up to what every replica has, and the last one waits until that is all", async () => {
  const states = [2, 5, 5, 7, 9, 9].map((everywhere) => ({ global_checkpoint: everywhere, max_seq_no: 9 }));
  toy.checkpoints.splice(0, 1, ...states);
  await reindex(context, shop.index, {});
  expect(toy.rounds).toEqual([-1, 2, 5]);
  expect(toy.checkpoints).toHaveLength(1);
  expect(toy.live).not.toBe(old);
  expect(toy.indexes.get(old)).toBe(true);
});

test("writes that were let through before the swap end it", async () => {
  let counts = 0;
  toy.before = (call) => {
    // The documents of the new index are counted when all are there.
    if (call.endsWith("/_count") && (counts += 1) === 2) toy.indexes.set(old, false);
  };
  await expect(reindex(context, shop.index, {})).rejects.toMatchObject({ reason: "CONFLICT" });
  expect([toy.live, [...toy.indexes]]).toEqual([old, [[old, false]]]);
});

test("writes that were let through at the swap are copied after it", async () => {
  toy.before = (call) => {
    if (call === "POST /_aliases" && toy.indexes.get(old) === true) toy.indexes.set(old, false);
  };
  await reindex(context, shop.index, {});
  expect(toy.rounds).toHaveLength(4);
  expect(toy.live).not.toBe(old);
  expect(toy.indexes.get(old)).toBe(true);
});

test("what another process removes first is none of a reindex's failures", async () => {
  toy.indexes.set(`${alias}.dead`, false);
  toy.before = (call) => {
    if (call === "POST /_aliases") toy.indexes.delete(`${alias}.dead`);
  };
  await reindex(context, shop.index, {});
  expect(toy.live).not.toBe(old);
});

test("an index that is gone has no readers", async () => {
  for (const name of ["gone", "read"]) toy.indexes.set(`${alias}.${name}`, true);
  toy.before = (call) => {
    if (call.includes("gone/_stats")) toy.indexes.delete(`${alias}.gone`);
  };
  expect(await removeUnread(context.server, { alias, target: old })).toBe(1);
});

test("a scan of an index that has just been replaced and removed is one of its successor", async () => {
  await using engine = await openElasticsearch({ url: secret });
  toy.before = (call) => {
    if (call !== `POST /${old}/_refresh`) return;
    toy.live = `${alias}.next`;
    toy.indexes.delete(old);
    toy.indexes.set(toy.live, false);
  };
  for await (const _ of engine.scan(shop.index, { text: "" }, new AbortController().signal))
    throw new Error("it is empty");
  expect(toy.calls).toContain(`POST /${toy.live}/_pit`);
});
