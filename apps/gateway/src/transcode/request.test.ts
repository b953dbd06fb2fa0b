import { equals, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { services } from "@weft/contracts";
import { WeftError } from "@weft/kit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Binding, bindingsOf } from "../routes/bindings.ts";
import { compileRequest, type HttpInput } from "./request.ts";

const bindings = bindingsOf(services);

function bindingOf(name: string, httpMethod?: string): Binding {
  const found = bindings.find(
    ({ contract, httpMethod: method }) => contract.name.endsWith(`/${name}`) && method === (httpMethod ?? method),
  );
  if (found === undefined) throw new Error(`no binding ${name}`);
  return found;
}

const input = (partial: Partial<HttpInput>): HttpInput => ({
  values: [],
  query: "",
  body: Buffer.alloc(0),
  ...partial,
});

function attempt<T>(work: () => T): T | WeftError {
  try {
    return work();
  } catch (error) {
    if (error instanceof WeftError) return error;
    throw error;
  }
}

/** JSON that is often nearly right: names of the contract among others, values of every type. */
const { value } = fc.letrec<{ value: JsonValue; object: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonValue>(null, true, 0, 1.5, "", "a@b.org", "de", "1", "CHANNEL_EMAIL", "2026-01-01T00:00:00Z"),
    fc.string({ unit: "binary", maxLength: 5 }),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(
    fc
      .constantFrom(
        "email",
        "name",
        "tags",
        "locale",
        "user",
        "requestId",
        "request_id",
        "definition",
        "index",
        "fields",
      )
      .chain((name) => fc.constantFrom(name, `${name}x`, name, name))
      .map((name) => name),
    tie("value"),
    { maxKeys: 5 },
  ),
}));

const validator = createValidator();

test.each(["Login", "Send", "Reindex", "Logout"])(
  "%s: a body is taken if and only if the JSON mapping and the rules take it",
  (name) => {
    const binding = bindingOf(name);
    const read = compileRequest({ ...binding, pathFields: [] });
    const { input: message } = binding.method;
    fc.assert(
      fc.property(value, (json) => {
        const ours = attempt(() => read(input({ body: Buffer.from(JSON.stringify(json)) })));
        let theirs;
        try {
          theirs = fromJson(message, JSON.parse(JSON.stringify(json)));
        } catch {
          theirs = undefined;
        }
        if (theirs !== undefined && validator.validate(message, theirs).kind === "valid") {
          expect(ours).not.toBeInstanceOf(WeftError);
          if (!(ours instanceof WeftError)) expect(equals(message, ours, theirs)).toBe(true);
        } else {
          expect(ours).toMatchObject({ code: "INVALID_ARGUMENT", httpStatus: 400 });
          if (ours instanceof WeftError && ours.reason !== "MALFORMED_JSON") expect(ours.violations).not.toEqual([]);
        }
      }),
    );
  },
);

test("whatever the query, it is read or refused", () => {
  for (const binding of bindings) {
    const read = compileRequest(binding, { partial: true });
    const values = binding.template.variables.map(() => "x");
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "=", "&", ".", "%", "2", "+", "pageSize", "id", "facets") }),
        (query) => {
          const result = attempt(() => read(input({ values, query })));
          if (result instanceof WeftError) expect(result.httpStatus).toBe(400);
        },
      ),
      { numRuns: 30 },
    );
  }
});

test("a query says the same as the JSON that it stands for", () => {
  const binding = bindingOf("SearchLogs");
  const read = compileRequest(binding);
  fc.assert(
    fc.property(
      fc.record({
        q: fc.string({ unit: "binary", maxLength: 50 }).filter((text) => text.isWellFormed()),
        pageSize: fc.nat({ max: 2 ** 31 - 1 }),
        from: fc
          .date({ min: new Date(0), max: new Date("9999-01-01"), noInvalidDate: true })
          .map((date) => date.toISOString()),
      }),
      (parameters) => {
        const pairs = Object.entries(parameters).map(([name, text]) => `${name}=${encodeURIComponent(text)}`);
        const message = read(input({ query: pairs.join("&") }));
        expect(toJson(binding.method.input, message)).toEqual(
          toJson(binding.method.input, fromJson(binding.method.input, parameters)),
        );
      },
    ),
  );
});

test("what path, body and headers say of one field must agree", () => {
  const send = compileRequest(bindingOf("Send"));
  const body = (fields: object): Buffer => Buffer.from(JSON.stringify({ userId: "u", title: "t", ...fields }));
  expect(send(input({ body: body({ requestId: "k" }), idempotencyKey: "k" }))).toMatchObject({ requestId: "k" });
  expect(send(input({ body: body({ request_id: "k" }), idempotencyKey: "k" }))).toMatchObject({ requestId: "k" });
  expect(() => send(input({ body: body({ requestId: "k" }), idempotencyKey: "j" }))).toThrow("differs");
  const mark = compileRequest(bindingOf("MarkRead"));
  expect(mark(input({ values: ["n1"], body: Buffer.from('{"id":"n1"}') }))).toMatchObject({ id: "n1" });
  expect(() => mark(input({ values: ["n1"], body: Buffer.from('{"id":"n2"}') }))).toThrow("differs");
});

test("the mask of a PATCH names what the body names, but for what the path says", () => {
  const patch = compileRequest(bindingOf("UpdatePreferences", "PATCH"));
  const put = compileRequest(bindingOf("UpdatePreferences", "PUT"));
  const request = input({ values: ["u1"], body: Buffer.from('{"userId":"u1","quiet_hours":null,"locale":"de"}') });
  expect(patch(request)).toMatchObject({ userId: "u1", updateMask: { paths: ["quiet_hours", "locale"] } });
  expect(put(request)).not.toHaveProperty("updateMask");
  const explicit = compileRequest(bindingOf("UpdateUser"));
  const body = Buffer.from('{"bio":"b"}');
  for (const query of ["updateMask=name,bio", "update_mask=name%2Cbio"]) {
    expect(explicit(input({ values: ["u1"], query, body }))).toMatchObject({ updateMask: { paths: ["name", "bio"] } });
  }
});
