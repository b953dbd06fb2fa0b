import { type DescField, fromJson, type Message } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { isJsonObject, WeftError } from "@weft/kit";
import type { Binding } from "../routes/bindings.ts";
import { parseIfMatch } from "./etag.ts";
import { parseJson } from "./json-body.ts";
import { camelCase, converterOf, type MutableJson, QueryReader, setPath } from "./query.ts";
import { explain, invalid } from "./violations.ts";

/** What an HTTP request says, as far as the request message is made from it. */
export interface HttpInput {
  /** Of the template's variables, in their order, decoded. */
  readonly values: readonly string[];
  /** Without the question mark, as it came. */
  readonly query: string;
  /** The whole body; empty for none. */
  readonly body: Buffer;
  readonly idempotencyKey?: string | undefined;
  readonly ifMatch?: string | undefined;
  readonly lastEventId?: string | undefined;
}

/** Makes a request message, or throws a WeftError that names what is wrong by the names that the caller used. */
export type RequestReader = (input: HttpInput) => Message;

const validator = createValidator();

/**
 * The reader for a binding: everything that the contract says is looked up once, here. The message is made by the JSON
 * mapping of protobuf, strictly, and checked by the rules of the contract, unless `partial`: then only what path, query
 * and headers give is read, and the serving process checks the whole.
 */
export function compileRequest(binding: Binding, options: { readonly partial?: boolean } = {}): RequestReader {
  const { method, body, pathFields, httpMethod, contract } = binding;
  const { input: message } = method;
  const { partial = false } = options;
  const named = (name: string): DescField | undefined => message.fields.find((field) => field.name === name);

  const taken = new Set(pathFields.map((path) => path[0]).filter((field) => field !== undefined));
  if (body === "*") for (const field of message.fields) taken.add(field);
  else if (body !== undefined) taken.add(body);
  const query = new QueryReader(message, taken);

  const requestId = named("request_id");
  const etag = named("etag");
  const { stream } = contract.policy;
  const eventId = stream.case === "serverSentEvents" ? named(stream.value.id) : undefined;
  // AIP-134: a PATCH without a mask changes what its body names, so that a field can be set to nothing.
  const mask = httpMethod === "PATCH" && typeof body === "object" ? named("update_mask") : undefined;

  return (input) => {
    const json: MutableJson = partial ? {} : readBody(body, input.body);
    const derived = mask && typeof body === "object" ? maskOf(json[body.jsonName], pathFields) : undefined;
    pathFields.forEach((path, index) => setFromPath(json, path, input.values[index] ?? ""));
    query.read(input.query, json);
    setFromHeader(json, requestId, input.idempotencyKey, "Idempotency-Key");
    if (etag !== undefined && input.ifMatch !== undefined) {
      setFromHeader(json, etag, parseIfMatch(input.ifMatch), "If-Match");
    }
    setFromHeader(json, eventId, input.lastEventId, "Last-Event-ID");
    if (mask !== undefined && derived !== undefined && json[mask.jsonName] === undefined) json[mask.jsonName] = derived;

    let request: Message;
    try {
      request = fromJson(message, json as Parameters<typeof fromJson>[1]);
    } catch {
      throw explain(message, json, body);
    }
    if (partial) return request;
    const result = validator.validate(message, request);
    if (result.kind === "invalid") throw invalid(result.violations, body);
    if (result.kind === "error")
      throw new WeftError("INTERNAL", "the contract can't be checked", { cause: result.error });
    return request;
  };
}

/** The JSON form of the request as far as the body gives it. */
function readBody(body: Binding["body"], bytes: Buffer): MutableJson {
  if (body === undefined) return {};
  const takesObject = body === "*" || body.fieldKind === "message";
  if (bytes.length === 0) return body === "*" ? {} : takesObject ? { [body.jsonName]: {} } : {};
  const parsed = parseJson(bytes);
  if (takesObject && !isJsonObject(parsed)) throw new WeftError("MALFORMED_JSON", "the body is not a JSON object");
  return body === "*" ? (parsed as MutableJson) : { [body.jsonName]: parsed };
}

/** A field that the path gives may stand in the body too, if it says the same. */
function setFromPath(json: MutableJson, path: readonly DescField[], text: string): void {
  const leaf = path.at(-1);
  if (leaf === undefined) return;
  const converter = converterOf(leaf);
  const value = converter?.toJson(text);
  if (value === undefined) {
    const expected = converter?.expected ?? "another type";
    throw new WeftError("INVALID_ARGUMENT", `${leaf.jsonName}: expected ${expected}`, {
      violations: [{ field: leaf.jsonName, description: `expected ${expected}` }],
    });
  }
  setPath(json, path, (target, key) => {
    for (const name of [key, leaf.name]) {
      const there = Object.hasOwn(target, name) ? target[name] : undefined;
      if (there !== undefined && there !== "" && String(there) !== text) throw differs(key, "the path");
      if (name !== key && there !== undefined) delete target[name];
    }
    target[key] = value;
  });
}

function setFromHeader(
  json: MutableJson,
  field: DescField | undefined,
  value: string | undefined,
  header: string,
): void {
  if (field === undefined || value === undefined || value === "") return;
  for (const name of [field.jsonName, field.name]) {
    const there = Object.hasOwn(json, name) ? json[name] : undefined;
    if (there !== undefined && there !== "" && there !== value) throw differs(field.jsonName, `the header ${header}`);
    if (name !== field.jsonName) delete json[name];
  }
  json[field.jsonName] = value;
}

function differs(field: string, where: string): WeftError {
  return new WeftError("INVALID_ARGUMENT", `${field} differs from that in ${where}`, {
    violations: [{ field, description: `differs from that in ${where}` }],
  });
}

/** The mask for the fields that a body names, but for those that the path gives. */
function maskOf(body: MutableJson[string] | undefined, pathFields: Binding["pathFields"]): string | undefined {
  if (!isJsonObject(body)) return undefined;
  const inPath = new Set(pathFields.flatMap((path) => (path[0] === undefined ? [] : [path[0].jsonName, path[0].name])));
  const names = Object.keys(body).filter((name) => !inPath.has(name));
  return names.some((name) => !/^[A-Za-z0-9_]+$/.test(name)) ? undefined : names.map(camelCase).join(",");
}
