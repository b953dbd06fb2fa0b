import { type DescEnum, type DescField, type DescMessage, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { field as fieldRules, type FieldRules, Ignore } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { JsonObject, JsonValue } from "@weft/kit";

/** A JSON Schema of draft 2020-12. */
export type Schema = { [keyword: string]: JsonValue };

/** Schemas of messages by their full names, collected while they are asked for. */
export class Schemas {
  readonly #known = new Map<string, Schema>();

  /** What stands in `components.schemas`, sorted by name. */
  get components(): JsonObject {
    return Object.fromEntries([...this.#known].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** A reference to a message, or the schema of a well-known type. */
  message(message: DescMessage): Schema {
    const wellKnown = wellKnownSchema(message);
    if (wellKnown !== undefined) return wellKnown;
    if (!this.#known.has(message.typeName)) {
      this.#known.set(message.typeName, {});
      this.#known.set(message.typeName, this.object(message, new Set()));
    }
    return { $ref: `#/components/schemas/${message.typeName}` };
  }

  /** A message spelt out, without some of its fields. */
  object(message: DescMessage, without: ReadonlySet<DescField>): Schema {
    const fields = message.fields.filter((field) => !without.has(field));
    const required = fields.filter((field) => rulesOf(field)?.required === true).map(({ jsonName }) => jsonName);
    return {
      type: "object",
      properties: Object.fromEntries(fields.map((field) => [field.jsonName, this.field(field)])),
      ...(required.length > 0 && { required }),
      ...(message.fields.length > 0 && { additionalProperties: false }),
    };
  }

  /** A field, with the rules of its contract. */
  field(field: DescField): Schema {
    const rules = rulesOf(field);
    switch (field.fieldKind) {
      case "list": {
        const list = rules?.type.case === "repeated" ? rules.type.value : undefined;
        const item = constrained(this.#value(field), list?.items);
        const size =
          list?.minItems || list?.maxItems ? range("minItems", list.minItems, "maxItems", list.maxItems) : {};
        return { type: "array", items: item, ...size, ...(list?.unique === true && { uniqueItems: true }) };
      }
      case "map":
        return { type: "object", additionalProperties: this.#value(field) };
      default:
        return constrained(this.#value(field), rules);
    }
  }

  #value(field: DescField): Schema {
    if (field.message !== undefined) return this.message(field.message);
    if (field.enum !== undefined) return enumSchema(field.enum);
    return field.scalar === undefined ? {} : scalarSchema(field.scalar);
  }
}

function rulesOf(field: DescField): FieldRules | undefined {
  if (!hasOption(field, fieldRules)) return undefined;
  const rules = getOption(field, fieldRules);
  return rules.ignore === Ignore.ALWAYS ? undefined : rules;
}

function wellKnownSchema({ typeName }: DescMessage): Schema | undefined {
  if (!typeName.startsWith("google.protobuf.")) return undefined;
  switch (typeName) {
    case "google.protobuf.Timestamp":
      return { type: "string", format: "date-time" };
    case "google.protobuf.Duration":
      return { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" };
    case "google.protobuf.FieldMask":
      return { type: "string", description: "Field names in lowerCamelCase, separated by commas." };
    case "google.protobuf.ListValue":
      return { type: "array", items: {} };
    case "google.protobuf.Value":
      return {};
    case "google.protobuf.Struct":
    case "google.protobuf.Any":
    case "google.protobuf.Empty":
      return { type: "object" };
    case "google.protobuf.StringValue":
      return { type: ["string", "null"] };
    case "google.protobuf.BoolValue":
      return { type: ["boolean", "null"] };
    default:
      return {};
  }
}

function enumSchema(description: DescEnum): Schema {
  return { type: "string", enum: description.values.map(({ name }) => name) };
}

function scalarSchema(scalar: ScalarType): Schema {
  switch (scalar) {
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.DOUBLE:
      return { type: "number", format: "double" };
    case ScalarType.FLOAT:
      return { type: "number", format: "float" };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: "integer", format: "int32" };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: "integer", format: "int64", minimum: 0 };
    default:
      return { type: "string", format: "int64", pattern: "^-?[0-9]+$" };
  }
}

/** A schema with what the rules say that JSON Schema can say too. An empty text may be right where a rule skips it. */
function constrained(schema: Schema, rules: FieldRules | undefined): Schema {
  if (rules === undefined || "$ref" in schema) return schema;
  const type = rules.type;
  switch (type.case) {
    case "string": {
      const { value } = type;
      const least = value.minLen || (rules.required ? 1n : 0n);
      const length = range("minLength", least, "maxLength", value.maxLen);
      if (rules.ignore === Ignore.IF_ZERO_VALUE) return { ...schema, ...length };
      const format = value.wellKnown.value === true ? formats[value.wellKnown.case] : undefined;
      const pattern = value.pattern === "" ? {} : { pattern: value.pattern };
      return { ...schema, ...length, ...pattern, ...(format !== undefined && { format }) };
    }
    case "int32":
    case "uint32":
    case "double":
    case "float": {
      const { greaterThan, lessThan } = type.value;
      return {
        ...schema,
        ...bound(greaterThan, "gte", "minimum"),
        ...bound(greaterThan, "gt", "exclusiveMinimum"),
        ...bound(lessThan, "lte", "maximum"),
        ...bound(lessThan, "lt", "exclusiveMaximum"),
      };
    }
    default:
      return schema;
  }
}

const formats: Readonly<Record<string, string>> = { email: "email", uri: "uri", uuid: "uuid", hostname: "hostname" };

function bound(
  rule: { readonly case: string | undefined; readonly value?: unknown },
  name: string,
  keyword: string,
): Schema {
  return rule.case === name && typeof rule.value === "number" ? { [keyword]: rule.value } : {};
}

/** Limits where there are any; 0 is none. */
function range(least: string, from: bigint, most: string, to: bigint): Schema {
  return { ...(from > 0n && { [least]: Number(from) }), ...(to > 0n && { [most]: Number(to) }) };
}
