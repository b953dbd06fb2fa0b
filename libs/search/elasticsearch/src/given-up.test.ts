import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Secret, WeftError } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { encodeDefinition, type SearchEngine } from "@weft/search";
import { shop } from "@weft/search/conformance";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openElasticsearch } from "./open.ts";

const late = new WeftError("DEADLINE_EXCEEDED", "the deadline passed");
const target = `weft.${shop.index}.v1`;

/** The little of Elasticsearch that a search of an empty index needs. */
const answers: Readonly<Record<string, object>> = {
  "GET /": {},
  "GET /_index_template/weft": { index_templates: [{ index_template: { version: 99 } }] },
  [`GET /weft.${shop.index}`]: {
    [target]: {
      aliases: { [`weft.${shop.index}`]: {} },
      mappings: { _meta: { weft: { definition: encodeDefinition(shop), createTime: 0 } } },
    },
  },
  [`POST /${target}/_refresh`]: {},
  [`POST /${target}/_pit`]: { id: "p" },
  "DELETE /_pit": {},
  "POST /_search": {
    hits: { total: { value: 0 }, hits: [] },
    aggregations: { start: { buckets: [] }, word: { buckets: [] } },
  },
};

let stack: AsyncDisposableStack;
let engine: SearchEngine;
/** Requests that get no answer for now. */
let stuck: string | undefined;
/** Those that have none yet. */
let waiting: (readonly [call: string, response: ServerResponse])[];
/** Those whose connection the client has closed. */
let ended: string[];

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  [stuck, waiting, ended] = [undefined, [], []];
  const http = createServer((request, response) => {
    const call = `${request.method} ${new URL(request.url ?? "", "http://toy").pathname}`;
    response.once("close", () => {
      if (!response.writableEnded) ended.push(call);
    });
    void text(request).then(
      () => (call === stuck ? waiting.push([call, response]) : answer(call, response)),
      () => undefined,
    );
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  stack.defer(() => void http.close().closeAllConnections());
  const { port } = http.address() as AddressInfo;
  engine = stack.use(await openElasticsearch({ url: new Secret(`elasticsearch://127.0.0.1:${port}`) }));
});
afterEach(() => stack.disposeAsync());

function answer(call: string, response: ServerResponse): void {
  const found = answers[call];
  response.writeHead(found === undefined ? 404 : 200, {
    "content-type": "application/json",
    "x-elastic-product": "Elasticsearch",
  });
  response.end(JSON.stringify(found ?? { error: { type: "index_not_found_exception", reason: call } }));
}

const search = (signal?: AbortSignal) => engine.search(shop.index, { text: "apple", pageSize: 5 }, signal);
const suggest = (signal?: AbortSignal) => engine.suggest(shop.index, { prefix: "app", limit: 5 }, signal);

test.each([
  ["a search", search],
  ["suggestions", suggest],
])("%s that is given up takes the request along, and nobody else's", async (_, ask) => {
  stuck = "POST /_search";
  const leaving = new AbortController();
  const left = expect(ask(leaving.signal)).rejects.toBe(late);
  const staying = ask();
  await within(10_000, "both are under way", () => waiting.length === 2);
  leaving.abort(late);
  await left;
  await within(10_000, "the request is closed", () => ended.length === 1);
  stuck = undefined;
  for (const [call, response] of waiting) if (!response.destroyed) answer(call, response);
  await staying;
  expect(ended).toEqual(["POST /_search"]);
  await ask();
});

test.each([`GET /weft.${shop.index}`, `POST /${target}/_refresh`, `POST /${target}/_pit`])(
  "who gives up while %s is under way leaves it to those who share it",
  async (call) => {
    stuck = call;
    const leaving = new AbortController();
    const left = expect(search(leaving.signal)).rejects.toBe(late);
    const staying = search();
    await within(10_000, "it is under way", () => waiting.length === 1);
    leaving.abort(late);
    await left;
    stuck = undefined;
    for (const [, response] of waiting) answer(call, response);
    expect(await staying).toMatchObject({ totalHits: 0 });
    expect(ended).toEqual([]);
  },
);
