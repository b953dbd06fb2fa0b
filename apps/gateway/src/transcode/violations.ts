import { type DescField, type DescMessage, fromJson, ScalarType } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import type { Violation } from "@bufbuild/protovalidate";
import { type FieldViolation, isJsonObject, type JsonValue, WeftError } from "@weft/kit";
import { camelCase } from "./query.ts";

/** At most so many of an answer's violations are told. */
const maxViolations = 100;

/** What the caller knows the request by: a path without the field that the HTTP body stands for. */
export function bodyPath(path: string, body: "*" | DescField | undefined): string {
  if (body === undefined || body === "*") return path;
  const { jsonName } = body;
  if (!path.startsWith(jsonName)) return path;
  const rest = path.slice(jsonName.length);
  return rest.startsWith(".") ? rest.slice(1) : rest.startsWith("[") ? rest : path;
}

/** Violations found by the rules of the contract, as the caller wrote the fields: `email`, `tags[1]`. */
export function invalid(violations: readonly Violation[], body: "*" | DescField | undefined): WeftError {
  return invalidArgument(
    violations.map(({ field, message }) => ({ field: bodyPath(pathText(field), body), description: message })),
  );
}

/** The same for an error of the serving process, whose paths are those of the `.proto` (`user.email`). */
export function asWritten(error: WeftError, body: "*" | DescField | undefined): WeftError {
  if (error.violations.length === 0) return error;
  const violations = error.violations.map(({ field, description }) => ({
    field: bodyPath(camelCase(field), body),
    description,
  }));
  const { metadata, retryAfterMs } = error;
  return new WeftError(error.reason, error.message, {
    metadata,
    violations,
    cause: error.cause,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function invalidArgument(violations: readonly FieldViolation[]): WeftError {
  const first = violations[0];
  const text = first === undefined ? "the request is invalid" : sentence(first);
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  return new WeftError("INVALID_ARGUMENT", text + more, { violations: violations.slice(0, maxViolations) });
}

function sentence({ field, description }: FieldViolation): string {
  return field === "" ? description : `${field}: ${description}`;
}

function pathText(path: Path): string {
  let text = "";
  for (const part of path) {
    switch (part.kind) {
      case "field":
        text += text === "" ? part.jsonName : `.${part.jsonName}`;
        break;
      case "oneof":
        text += text === "" ? part.name : `.${part.name}`;
        break;
      case "extension":
        text += `[${part.typeName}]`;
        break;
      case "list_sub":
        text += `[${part.index}]`;
        break;
      default:
        text += `[${JSON.stringify(String(part.key))}]`;
    }
  }
  return text;
}

/**
 * Why `fromJson` refused: every unknown field (`UNKNOWN_FIELD`) or every value of a wrong type (`INVALID_ARGUMENT`), by
 * path. Slow, and only called when something is wrong.
 */
export function explain(message: DescMessage, json: JsonValue, body: "*" | DescField | undefined): WeftError {
  const unknown: FieldViolation[] = [];
  const wrong: FieldViolation[] = [];
  visit(message, json, "", { unknown, wrong }, 0);
  const told = (violation: FieldViolation): FieldViolation => ({
    ...violation,
    field: bodyPath(violation.field, body),
  });
  if (unknown.length > 0) {
    const violations = unknown.map(told);
    const names = violations
      .slice(0, 5)
      .map(({ field }) => field)
      .join(", ");
    return new WeftError("UNKNOWN_FIELD", `unknown field: ${names}`, {
      violations: violations.slice(0, maxViolations),
    });
  }
  return invalidArgument(wrong.map(told));
}

interface Findings {
  readonly unknown: FieldViolation[];
  readonly wrong: FieldViolation[];
}

/** As deep as protobuf's own readers go. */
const maxDepth = 100;

function visit(message: DescMessage, json: JsonValue, path: string, findings: Findings, depth: number): void {
  if (message.typeName.startsWith("google.protobuf.") || !isJsonObject(json) || depth > maxDepth) {
    return attempt(message, json, path, nameOf(message), findings);
  }
  const before = findings.unknown.length + findings.wrong.length;
  for (const [key, value] of Object.entries(json)) {
    if (findings.unknown.length + findings.wrong.length >= maxViolations) return;
    const at = path === "" ? key : `${path}.${key}`;
    const field = message.fields.find((other) => other.jsonName === key || other.name === key);
    if (field === undefined) findings.unknown.push({ field: at, description: "there is no such field" });
    else if (value !== null) visitField(field, value, at, findings, depth);
  }
  // Each field alone is right, the whole is not: a field given twice, or two of a oneof.
  if (findings.unknown.length + findings.wrong.length === before) {
    attempt(message, json, path, "fields that go together", findings);
  }
}

function visitField(field: DescField, json: JsonValue, path: string, findings: Findings, depth: number): void {
  const item = (value: JsonValue, at: string): void => {
    if (field.message !== undefined && value !== null) visit(field.message, value, at, findings, depth + 1);
    else
      attempt(
        field.parent,
        { [field.jsonName]: field.fieldKind === "list" ? [value] : value },
        at,
        nameOf(field),
        findings,
      );
  };
  if (field.fieldKind === "list" && Array.isArray(json)) {
    json.forEach((value: JsonValue, index) => {
      if (findings.unknown.length + findings.wrong.length < maxViolations) item(value, `${path}[${index}]`);
    });
  } else if (field.fieldKind === "message") {
    item(json, path);
  } else {
    attempt(field.parent, { [field.jsonName]: json }, path, nameOf(field), findings);
  }
}

function attempt(message: DescMessage, json: JsonValue, path: string, expected: string, findings: Findings): void {
  try {
    fromJson(message, structuredClone(json) as Parameters<typeof fromJson>[1]);
  } catch {
    findings.wrong.push({ field: path, description: `expected ${expected}` });
  }
}

const wellKnown = new Map([
  ["google.protobuf.Timestamp", "an RFC 3339 time"],
  ["google.protobuf.Duration", 'seconds with an s at the end, for example "1.5s"'],
  ["google.protobuf.FieldMask", "field names in lowerCamelCase, separated by commas"],
]);

function nameOf(what: DescMessage | DescField): string {
  if (what.kind === "message") return wellKnown.get(what.typeName) ?? "an object";
  if (what.fieldKind === "list") return "a list";
  if (what.fieldKind === "map") return "an object";
  if (what.enum !== undefined) return `one of ${what.enum.values.map((value) => value.name).join(", ")}`;
  switch (what.scalar) {
    case ScalarType.STRING:
      return "a text";
    case ScalarType.BOOL:
      return "true or false";
    case ScalarType.BYTES:
      return "base64";
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return "a number";
    default:
      return "an integer";
  }
}
