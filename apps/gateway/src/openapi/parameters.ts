import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { JsonObject } from "@weft/kit";
import type { Binding } from "../routes/bindings.ts";
import { converterOf } from "../transcode/query.ts";
import type { Schemas } from "./schema.ts";

/** The parameters of a binding: of the path, the query and the headers. */
export function parametersOf(binding: Binding, schemas: Schemas): readonly JsonObject[] {
  return [...pathParameters(binding, schemas), ...queryParameters(binding, schemas), ...headerParameters(binding)];
}

function pathParameters({ template, pathFields }: Binding, schemas: Schemas): readonly JsonObject[] {
  return template.variables.map(({ fieldPath }, index) => {
    const field = pathFields[index]?.at(-1);
    return {
      name: fieldPath.join("."),
      in: "path",
      required: true,
      schema: field === undefined ? {} : schemas.field(field),
    };
  });
}

function queryParameters(binding: Binding, schemas: Schemas): readonly JsonObject[] {
  const { body, pathFields, method } = binding;
  if (body === "*") return [];
  const taken = new Set(pathFields.map((path) => path[0]));
  const fields = method.input.fields.filter((field) => field !== body && !taken.has(field));
  return leaves(fields, "", [method.input]).map(({ name, field }) => ({
    name,
    in: "query",
    ...(field.fieldKind === "list" && { explode: true }),
    schema: schemas.field(field),
  }));
}

/** The fields that a parameter can set, with dotted names; a message inside itself is left out. */
function leaves(
  fields: readonly DescField[],
  prefix: string,
  within: readonly DescMessage[],
): readonly { readonly name: string; readonly field: DescField }[] {
  return fields.flatMap((field) => {
    const name = prefix + field.jsonName;
    if (converterOf(field) !== undefined) return [{ name, field }];
    if (field.fieldKind !== "message" || within.includes(field.message)) return [];
    return leaves(field.message.fields, `${name}.`, [...within, field.message]);
  });
}

function headerParameters({ method, contract, httpMethod, responseBody }: Binding): readonly JsonObject[] {
  const has = (message: DescMessage | undefined, name: string): boolean =>
    message?.fields.some((field) => field.name === name) ?? false;
  const answer = responseBody === undefined ? method.output : responseBody.message;
  const headers: JsonObject[] = [];
  const add = (name: string, description: string): void => {
    headers.push({ name, in: "header", description, schema: { type: "string" } });
  };
  if (contract.requestIdField !== undefined)
    add("Idempotency-Key", "Makes a retry safe: the same key, the same answer.");
  if (has(method.input, "etag"))
    add("If-Match", "The entity tag that the change is meant for; 412 when it is another.");
  if (httpMethod === "GET" && has(answer, "etag")) add("If-None-Match", "Entity tags that are known; 304 for those.");
  if (contract.policy.stream.case === "serverSentEvents") add("Last-Event-ID", "Goes on after this event.");
  return headers;
}
