import { Validator } from "@seriousme/openapi-schema-validator";
import { contractOf, services } from "@weft/contracts";
import { isJsonObject, reasons } from "@weft/kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestEdge, type TestEdge } from "../testing/edge.ts";
import { openApiOf, operationsOf } from "./document.ts";

const document = openApiOf(services, "1.0.0");

let edge: TestEdge;
beforeAll(async () => {
  edge = await openTestEdge();
});
afterAll(() => edge[Symbol.asyncDispose]());

test("the document is valid OpenAPI 3.1", async () => {
  const validator = new Validator();
  const result = await validator.validate(structuredClone(document));
  expect([result.errors, result.valid, validator.version]).toEqual([undefined, true, "3.1"]);
});

test("every reference leads somewhere", () => {
  const schemas = isJsonObject(document["components"]) ? document["components"]["schemas"] : undefined;
  for (const [, name = ""] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    expect(schemas).toHaveProperty([name]);
  }
});

test("every operation tells of its limits", () => {
  for (const { operation } of operationsOf(document)) {
    expect(operation["responses"]).toMatchObject({ "429": { $ref: "#/components/responses/TooManyRequests" } });
    const [[, success] = []] = Object.entries(operation["responses"] ?? {});
    expect(success).toMatchObject({
      headers: { RateLimit: { $ref: "#/components/headers/RateLimit" }, "RateLimit-Policy": {} },
    });
  }
});

test("every method with a route is there, by its contract", () => {
  const operations = operationsOf(document);
  for (const method of services.flatMap(({ service }) => service.methods)) {
    const contract = contractOf(method);
    const found = operations.find(({ operation }) => operation["x-rpc"] === contract.name);
    expect(found?.operation["x-timeout-ms"]).toBe(contract.timeoutMs);
    const isPublic = contract.policy.access?.rule.case === "public";
    expect(found?.operation["security"]).toEqual(isPublic ? [] : [{ bearer: [] }]);
  }
  const ids = operations.map(({ operation }) => operation["operationId"]);
  expect(new Set(ids).size).toBe(ids.length);
});

test("constraints, parameters, headers and success status come from the contract", () => {
  expect(document).toMatchObject({
    paths: {
      "/api/v1/users": {
        post: {
          parameters: [
            { name: "requestId", in: "query", schema: { maxLength: 128 } },
            { name: "Idempotency-Key", in: "header" },
          ],
          requestBody: {
            content: { "application/json": { schema: { $ref: "#/components/schemas/weft.user.v1.NewUser" } } },
          },
          responses: {
            "201": { headers: { Location: {}, ETag: {} } },
            default: { $ref: "#/components/responses/Problem" },
          },
          "x-rate-class": "AUTH",
        },
        get: { parameters: [{ name: "pageSize", in: "query", schema: { type: "integer", minimum: 0 } }, {}, {}, {}] },
      },
      "/api/v1/users:import": {
        post: { requestBody: { content: { "application/x-ndjson": {} } }, "x-roles": ["admin"] },
      },
      "/api/v1/users/{id}": { delete: { responses: { "204": {} } } },
      "/api/v1/notifications/{id}:markRead": { post: { parameters: [{ name: "id", in: "path", required: true }] } },
      "/api/v1/notifications:watch": { get: { responses: { "200": { content: { "text/event-stream": {} } } } } },
    },
    components: {
      schemas: {
        "weft.user.v1.NewUser": {
          required: ["email", "name"],
          additionalProperties: false,
          properties: {
            email: { type: "string", format: "email", minLength: 1, maxLength: 254 },
            tags: { type: "array", maxItems: 50, uniqueItems: true, items: { minLength: 1, maxLength: 100 } },
          },
        },
      },
    },
  });
});

test("the document and the pages are served, known ones with 304, all without anything from elsewhere", async () => {
  const response = await fetch(`${edge.url}/openapi.json`);
  expect(await response.json()).toEqual(JSON.parse(JSON.stringify(document)));
  const etag = response.headers.get("etag") ?? "";
  expect((await fetch(`${edge.url}/openapi.json`, { headers: { "if-none-match": etag } })).status).toBe(304);
  const docs = await fetch(edge.url);
  expect([docs.url, docs.status]).toEqual([`${edge.url}/docs`, 200]);
  expect(docs.headers.get("content-security-policy")).toMatch(/^default-src 'none'; style-src 'sha256-[^']+';/);
  const page = await docs.text();
  expect(page).toContain("/api/v1/notifications/{id}:markRead");
  expect(page).not.toMatch(/<script|https?:\/\//);
  const errors = await (await fetch(`${edge.url}/docs/errors`)).text();
  for (const reason of Object.keys(reasons)) expect(errors).toContain(`id="${reason}"`);
  expect((await fetch(`${edge.url}/openapi.json`, { method: "POST" })).status).toBe(405);
});
