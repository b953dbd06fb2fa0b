import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type FieldViolation, type JsonValue, WeftError } from "@weft/kit";
import { decode } from "../routes/router.ts";

/** JSON that is still being put together. */
export interface MutableJson {
  [key: string]: JsonValue | MutableJson;
}

/** A request field that a parameter of the URL can set: the fields on the way to it, and how its text becomes JSON. */
interface Parameter {
  readonly path: readonly DescField[];
  readonly list: boolean;
  readonly toJson: (text: string) => JsonValue | undefined;
  readonly expected: string;
}

/** Well-known types whose JSON is a string. */
const textual = new Map([
  ["google.protobuf.Timestamp", "an RFC 3339 time"],
  ["google.protobuf.Duration", "seconds with an s at the end"],
  ["google.protobuf.FieldMask", "field names separated by commas"],
]);

/**
 * Reads query parameters into the JSON form of a request message. Names are those of JSON or of the `.proto`, with
 * dots between the levels (`a.bC` or `a.b_c`); a repeated field is a repeated parameter, or values separated by commas,
 * or both. `taken` are fields that the path or the body gives: they are unknown here.
 */
export class QueryReader {
  readonly #message: DescMessage;
  readonly #taken: ReadonlySet<DescField>;
  /** Names that were seen and exist; bounded by the spellings of the fields of the messages. */
  readonly #known = new Map<string, Parameter>();

  constructor(message: DescMessage, taken: ReadonlySet<DescField>) {
    this.#message = message;
    this.#taken = taken;
  }

  /** Throws `UNKNOWN_FIELD` or `INVALID_ARGUMENT`, with every bad parameter. */
  read(query: string, into: MutableJson): void {
    if (query === "") return;
    const unknown: FieldViolation[] = [];
    const bad: FieldViolation[] = [];
    const seen = new Set<Parameter>();
    for (const pair of query.split("&")) {
      if (pair === "") continue;
      const equals = pair.indexOf("=");
      const name = decodeForm(equals < 0 ? pair : pair.slice(0, equals));
      const text = equals < 0 ? "" : decodeForm(pair.slice(equals + 1));
      const parameter = this.#find(name);
      if (parameter === undefined) {
        unknown.push({ field: name, description: "there is no such parameter" });
        continue;
      }
      if (seen.has(parameter) && !parameter.list) bad.push({ field: name, description: "given more than once" });
      seen.add(parameter);
      for (const item of parameter.list ? text.split(",") : [text]) {
        const value = parameter.toJson(item);
        if (value === undefined) bad.push({ field: name, description: `expected ${parameter.expected}` });
        else assign(into, parameter, value);
      }
    }
    if (unknown.length > 0) {
      const names = unknown.map(({ field }) => field).join(", ");
      throw new WeftError("UNKNOWN_FIELD", `unknown query parameter: ${names}`, { violations: unknown });
    }
    if (bad.length > 0) {
      const names = bad.map(({ field, description }) => `${field}: ${description}`).join("; ");
      throw new WeftError("INVALID_ARGUMENT", `bad query parameter: ${names}`, { violations: bad });
    }
  }

  #find(name: string): Parameter | undefined {
    let parameter = this.#known.get(name);
    if (parameter === undefined) {
      parameter = findParameter(this.#message, this.#taken, name);
      if (parameter === undefined) return undefined;
      // The same field by another spelling is the same parameter.
      const last = parameter.path.at(-1);
      for (const other of this.#known.values())
        if (other.path.at(-1) === last && samePath(other, parameter)) parameter = other;
      this.#known.set(name, parameter);
    }
    return parameter;
  }
}

function samePath(a: Parameter, b: Parameter): boolean {
  return a.path.length === b.path.length && a.path.every((field, index) => field === b.path[index]);
}

function findParameter(message: DescMessage, taken: ReadonlySet<DescField>, name: string): Parameter | undefined {
  const path: DescField[] = [];
  let within: DescMessage | undefined = message;
  for (const part of name.split(".")) {
    // More levels than any message here has; a recursive message would allow any number of spellings.
    if (path.length >= 8) return undefined;
    const field: DescField | undefined = within?.fields.find((other) => other.jsonName === part || other.name === part);
    if (field === undefined || taken.has(field)) return undefined;
    path.push(field);
    within = field.fieldKind === "message" ? field.message : undefined;
  }
  const leaf = path.at(-1);
  const converter = leaf && converterOf(leaf);
  return leaf && converter && { path, list: leaf.fieldKind === "list", ...converter };
}

/** How the text of a parameter becomes JSON for this field; undefined for a field that no parameter can set. */
export function converterOf(field: DescField): Pick<Parameter, "toJson" | "expected"> | undefined {
  if (field.fieldKind === "map") return undefined;
  if (field.scalar !== undefined) return scalarConverter(field.scalar);
  if (field.enum !== undefined) return enumConverter(field.enum);
  const expected = field.message && textual.get(field.message.typeName);
  if (expected === undefined) return undefined;
  // A mask is lowerCamelCase in JSON; in a URL the names of the `.proto` do as well.
  if (field.message?.typeName === "google.protobuf.FieldMask") return { toJson: camelCase, expected };
  return { toJson: (text) => (text === "" ? undefined : text), expected };
}

function scalarConverter(scalar: ScalarType): Pick<Parameter, "toJson" | "expected"> {
  switch (scalar) {
    case ScalarType.STRING:
      return { toJson: (text) => text, expected: "a text" };
    case ScalarType.BYTES:
      return { toJson: (text) => (/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) ? text : undefined), expected: "base64" };
    case ScalarType.BOOL:
      return {
        toJson: (text) => (text === "true" ? true : text === "false" ? false : undefined),
        expected: "true or false",
      };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return {
        toJson: (text) => (/^(-?\d+(\.\d+)?([eE][+-]?\d+)?|NaN|-?Infinity)$/.test(text) ? text : undefined),
        expected: "a number",
      };
    default:
      return { toJson: (text) => (/^-?\d{1,20}$/.test(text) ? text : undefined), expected: "an integer" };
  }
}

function enumConverter(description: DescEnum): Pick<Parameter, "toJson" | "expected"> {
  const names = new Set(description.values.map((value) => value.name));
  const numbers = new Map(description.values.map((value) => [String(value.number), value.number]));
  return {
    toJson: (text) => (names.has(text) ? text : numbers.get(text)),
    expected: `one of ${[...names].join(", ")}`,
  };
}

function assign(into: MutableJson, parameter: Parameter, value: JsonValue): void {
  setPath(into, parameter.path, (target, key) => {
    const list = target[key];
    if (parameter.list) target[key] = Array.isArray(list) ? [...list, value] : [value];
    else target[key] = value;
  });
}

/** Sets what `path` leads to, making the objects on the way. */
export function setPath(
  into: MutableJson,
  path: readonly DescField[],
  set: (target: MutableJson, key: string) => void,
): void {
  let target = into;
  for (const field of path.slice(0, -1)) {
    const next = target[field.jsonName];
    if (typeof next === "object" && next !== null && !Array.isArray(next)) target = next as MutableJson;
    else target = target[field.jsonName] = {};
  }
  set(target, path.at(-1)?.jsonName ?? "");
}

function decodeForm(text: string): string {
  return decode(text.includes("+") ? text.replaceAll("+", " ") : text);
}

/** `create_time` → `createTime`, in each part of a path or a mask. */
export function camelCase(text: string): string {
  return text.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
