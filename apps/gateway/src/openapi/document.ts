import type { DescMessage, DescService } from "@bufbuild/protobuf";
import { Cacheability, Fallback, RateClassSchema } from "@weft/contracts/options";
import { isJsonObject, type JsonObject } from "@weft/kit";
import { type Binding, bindingsOf } from "../routes/bindings.ts";
import type { Template } from "../routes/template.ts";
import { parametersOf } from "./parameters.ts";
import { type Schema, Schemas } from "./schema.ts";

/** The OpenAPI 3.1 document of the services, made from their contracts alone. */
export function openApiOf(
  services: readonly { readonly service: DescService; readonly target: string }[],
  version: string,
): JsonObject {
  const schemas = new Schemas();
  const paths: Record<string, Record<string, JsonObject>> = {};
  const names = new Set<string>();
  for (const binding of bindingsOf(services)) {
    const path = pathOf(binding.template);
    const operations = (paths[path] ??= {});
    operations[binding.httpMethod.toLowerCase()] = operationOf(binding, schemas, names);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Weft",
      version,
      description: "Every answer carries `traceparent` and `x-trace-id`. Errors are `application/problem+json`.",
    },
    servers: [{ url: "/" }],
    tags: services.map(({ service }) => ({ name: service.typeName })),
    paths,
    components: {
      schemas: { ...schemas.components, Problem: problemSchema },
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      headers: limitHeaders,
      responses: {
        Problem: { description: "It did not work; `reason` says why.", content: problemContent },
        TooManyRequests: {
          description: "The caller, or all of them, made too many calls (`RATE_LIMITED`), or the target is overloaded.",
          headers: { "Retry-After": { description: "Seconds.", schema: { type: "integer" } }, ...limitReferences },
          content: problemContent,
        },
      },
    },
  };
}

const problemContent: JsonObject = {
  "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
};

const limitHeaders: JsonObject = {
  RateLimit: {
    description: "What is left of the caller's rate limit (`r`), and seconds until all of it is back (`t`).",
    schema: { type: "string" },
    example: '"read-user";r=39999;t=1',
  },
  "RateLimit-Policy": {
    description: "The caller's rate limit: calls (`q`) in a window of seconds (`w`).",
    schema: { type: "string" },
    example: '"read-user";q=40000;w=2',
  },
};

const limitReferences: JsonObject = Object.fromEntries(
  Object.keys(limitHeaders).map((name) => [name, { $ref: `#/components/headers/${name}` }]),
);

const problemSchema: JsonObject = {
  type: "object",
  description: "RFC 9457",
  required: ["type", "title", "status", "detail", "code", "reason", "traceId", "errors"],
  properties: {
    type: { type: "string", format: "uri-reference" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", description: "Canonical gRPC name" },
    reason: { type: "string" },
    traceId: { type: "string" },
    errors: {
      type: "array",
      items: {
        type: "object",
        properties: { field: { type: "string" }, description: { type: "string" } },
      },
    },
  },
};

/** The template as OpenAPI writes paths: a variable's own pattern is left out. */
function pathOf(template: Template): string {
  const segments: string[] = [];
  for (let index = 0; index < template.segments.length; index += 1) {
    const variable = template.variables.find(({ start }) => start === index);
    const segment = template.segments[index];
    if (variable !== undefined) {
      segments.push(`{${variable.fieldPath.join(".")}}`);
      index = variable.end - 1;
    } else {
      segments.push(segment?.kind === "literal" ? segment.text : "*");
    }
  }
  return `/${segments.join("/")}${template.verb === "" ? "" : `:${template.verb}`}`;
}

function operationOf(binding: Binding, schemas: Schemas, names: Set<string>): JsonObject {
  const { method, contract } = binding;
  const { policy } = contract;
  const access = policy.access?.rule;
  const base = `${method.parent.name}_${method.name}`;
  const operationId = names.has(base) ? `${base}_${binding.httpMethod.toLowerCase()}` : base;
  names.add(operationId);
  const body = requestBodyOf(binding, schemas);
  return {
    operationId,
    tags: [method.parent.typeName],
    summary: method.name,
    ...(parametersOf(binding, schemas).length > 0 && { parameters: parametersOf(binding, schemas) }),
    ...(body !== undefined && { requestBody: body }),
    responses: {
      ...withLimits(successOf(binding, schemas)),
      "429": { $ref: "#/components/responses/TooManyRequests" },
      default: { $ref: "#/components/responses/Problem" },
    },
    security: access?.case === "public" ? [] : [{ bearer: [] }],
    "x-rpc": contract.name,
    "x-timeout-ms": contract.timeoutMs,
    "x-rate-class": RateClassSchema.value[policy.rateClass]?.localName ?? "UNSPECIFIED",
    "x-access": access?.case ?? "none",
    ...(access?.case === "roles" && { "x-roles": access.value.anyOf }),
    "x-retryable": contract.retryable,
  };
}

function requestBodyOf(binding: Binding, schemas: Schemas): JsonObject | undefined {
  const { method, body, contract, pathFields } = binding;
  const { stream } = contract.policy;
  if (body === undefined) return undefined;
  if (stream.case === "ndjson" && method.methodKind === "client_streaming") {
    const schema = itemOf(method.input, stream.value.items, schemas);
    return { required: true, description: "One JSON object a line.", content: { "application/x-ndjson": { schema } } };
  }
  const taken = new Set(pathFields.map((path) => path[0]).filter((field) => field !== undefined));
  const whole = (): Schema => (taken.size === 0 ? schemas.message(method.input) : schemas.object(method.input, taken));
  const schema = body === "*" ? whole() : schemas.field(body);
  return { required: true, content: { "application/json": { schema } } };
}

/** Responses with the headers that every answer of a limited route has. */
function withLimits(responses: Readonly<Record<string, JsonObject>>): JsonObject {
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => {
      const headers = isJsonObject(response["headers"]) ? response["headers"] : {};
      return [status, { ...response, headers: { ...headers, ...limitReferences } }];
    }),
  );
}

function successOf(binding: Binding, schemas: Schemas): Readonly<Record<string, JsonObject>> {
  const { method, responseBody, contract } = binding;
  const { policy } = contract;
  const status = policy.successStatus === 0 ? "200" : String(policy.successStatus);
  if (status === "204") return { [status]: { description: "Done." } };
  const { stream } = policy;
  if (stream.case === "serverSentEvents") {
    return { [status]: { description: "Events.", content: { "text/event-stream": { schema: { type: "string" } } } } };
  }
  if (stream.case === "ndjson" && method.methodKind === "server_streaming") {
    const schema = itemOf(method.output, stream.value.items, schemas);
    return { [status]: { description: "One JSON object a line.", content: { "application/x-ndjson": { schema } } } };
  }
  const schema = responseBody === undefined ? schemas.message(method.output) : schemas.field(responseBody);
  const text = { schema: { type: "string" } };
  const degraded = {
    description: "The service can't answer now: this is what it said last, nothing, or what it has without others.",
    schema: { type: "string", enum: ["cached", "empty", "partial"] },
  };
  const answer = responseBody === undefined ? method.output : responseBody.message;
  const headers = {
    ...(answer?.fields.some(({ name }) => name === "etag") === true && { ETag: text }),
    ...(policy.location !== "" && { Location: text }),
    ...(policy.cacheability === Cacheability.PUBLIC && { "Cache-Control": text }),
    ...(policy.fallback !== Fallback.UNSPECIFIED && { "Weft-Degraded": degraded, Age: text }),
  };
  const described = { description: "It worked.", content: { "application/json": { schema } } };
  const revalidates = policy.cacheability === Cacheability.REVALIDATE;
  return {
    [status]: Object.keys(headers).length > 0 ? { ...described, headers } : described,
    ...(revalidates && { "304": { description: "Known already (`If-None-Match`)." } }),
  };
}

/** What a line holds: the message of an item, the message beside its line number, or any object. */
function itemOf(message: DescMessage, items: string, schemas: Schemas): Schema {
  const item = message.fields.find((field) => field.name === items)?.message;
  if (item === undefined) return { type: "object" };
  if (!item.fields.some((field) => field.name === "line")) return schemas.message(item);
  const value = item.fields.find((field) => field.name !== "line");
  return value?.message === undefined ? { type: "object" } : schemas.message(value.message);
}

/** The operations of a document, in its order. */
export function operationsOf(document: JsonObject): readonly { path: string; method: string; operation: JsonObject }[] {
  const paths = document["paths"];
  if (!isJsonObject(paths)) return [];
  return Object.entries(paths).flatMap(([path, methods]) =>
    isJsonObject(methods)
      ? Object.entries(methods).flatMap(([method, operation]) =>
          isJsonObject(operation) ? [{ path, method, operation }] : [],
        )
      : [],
  );
}
