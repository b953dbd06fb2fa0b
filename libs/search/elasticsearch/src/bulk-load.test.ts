import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { parseServerUrl, Secret, silentLog, systemClock } from "@weft/kit";
import { encodeDefinition } from "@weft/search";
import { shop } from "@weft/search/conformance";
import { expect, test } from "vitest";
import { BulkLoads } from "./bulk-load.ts";
import { Catalog } from "./catalog.ts";
import { Server } from "./server.ts";

const target = "weft.shop.v1";
const random = (): number => 0;

interface Answer {
  readonly status: number;
  readonly body: object;
}

const conflict: Answer = { status: 409, body: { error: { type: "version_conflict_engine_exception", reason: "" } } };

/** The little of a server that loads need, shared by its clients. */
class Toy {
  readonly settings: Record<string, unknown> = { "index.refresh_interval": "7s" };
  #note: { readonly _source: unknown; readonly _seq_no: number; readonly _primary_term: number } | undefined;
  #seqNo = 0;

  answer(call: string, query: URLSearchParams, body: object): Answer {
    if (call === `GET /${target}/_settings`) return ok({ [target]: { settings: { ...this.settings } } });
    if (call === `PUT /${target}/_settings`) return ok(Object.assign(this.settings, body));
    if (call === `GET /weft.${shop.index}`) {
      const weft = { definition: encodeDefinition(shop), createTime: 0 };
      return ok({ [target]: { aliases: { [`weft.${shop.index}`]: {} }, mappings: { _meta: { weft } } } });
    }
    if (call.endsWith("/_search")) return ok({ hits: { hits: this.#note === undefined ? [] : [this.#note] } });
    if (!call.includes("/_doc/")) return ok({ count: 0 });
    if (call.startsWith("GET")) return this.#note === undefined ? { status: 404, body: {} } : ok(this.#note);
    const isExpected =
      query.get("op_type") === "create"
        ? this.#note === undefined
        : this.#note?._seq_no === Number(query.get("if_seq_no"));
    if (!isExpected) return conflict;
    const place = { _seq_no: (this.#seqNo += 1), _primary_term: 1 };
    this.#note = call.startsWith("DELETE") ? undefined : { _source: body, ...place };
    return ok(place);
  }
}

function ok(body: object): Answer {
  return { status: 200, body };
}

/** A client of the toy, any of whose calls can be held up. */
async function openLoads(toy: Toy, stack: AsyncDisposableStack): Promise<Client> {
  const held = new Map<string, Held>();
  const http = createServer((request, response) => {
    void (async () => {
      const body = await text(request);
      const { pathname, searchParams } = new URL(request.url ?? "", "http://toy");
      const call = `${request.method} ${pathname}`;
      const hold = held.get(`${request.method} ${pathname.replace(/.*(_\w+).*/, "$1")}`);
      hold?.reached.resolve();
      await hold?.released.promise;
      const answer = toy.answer(call, searchParams, body === "" ? {} : (JSON.parse(body) as object));
      response.writeHead(answer.status, {
        "content-type": "application/json",
        "x-elastic-product": "Elasticsearch",
      });
      response.end(JSON.stringify(answer.body));
    })();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  stack.defer(() => (http.close(), http.closeAllConnections()));
  const { port } = http.address() as AddressInfo;
  const url = parseServerUrl(new Secret(`elasticsearch://127.0.0.1:${port}`), {
    scheme: "elasticsearch",
    defaultPort: 9200,
  });
  const common = { log: silentLog, clock: systemClock, random };
  const server = stack.use(new Server({ ...common, url, requestTimeoutMs: 60_000 }));
  const catalog = new Catalog({ server, namespace: "weft", clock: systemClock });
  const loads = stack.use(new BulkLoads({ ...common, server, catalog, namespace: "weft" }));
  const hold = (call: string): Held => {
    const one = { reached: Promise.withResolvers<void>(), released: Promise.withResolvers<void>() };
    held.set(call, one);
    return one;
  };
  return { loads, hold };
}

interface Held {
  readonly reached: PromiseWithResolvers<void>;
  readonly released: PromiseWithResolvers<void>;
}

interface Client {
  readonly loads: BulkLoads;
  /** @param call method and the last part of the path that is a name of Elasticsearch's */
  hold(call: string): Held;
}

test("a load that comes and goes while another one begins does not pass off relaxed settings as those from before", async () => {
  await using stack = new AsyncDisposableStack();
  const toy = new Toy();
  const [slow, quick] = [await openLoads(toy, stack), await openLoads(toy, stack)];
  const looking = slow.hold("POST _refresh");
  const beginning = slow.loads.begin(shop.index);
  await looking.reached.promise;
  const noting = slow.hold("PUT _doc");
  const short = await quick.loads.begin(shop.index);
  expect(toy.settings).toMatchObject({ "index.refresh_interval": "-1" });
  looking.released.resolve();
  await noting.reached.promise;
  await short[Symbol.asyncDispose]();
  noting.released.resolve();
  const long = await beginning;
  expect(toy.settings).toMatchObject({ "index.refresh_interval": "-1" });
  await long[Symbol.asyncDispose]();
  expect(toy.settings).toMatchObject({ "index.refresh_interval": "7s", "index.number_of_replicas": null });
});
