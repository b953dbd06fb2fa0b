import { type DescField, type DescMessage, type Message, toJson } from "@bufbuild/protobuf";
import { Cacheability } from "@weft/contracts/options";
import { type Binding, fieldsOf } from "../routes/bindings.ts";
import { formatEtag } from "./etag.ts";

/** What a success says over HTTP. */
export interface HttpOutput {
  readonly status: number;
  /** JSON text; what a 204 would say, too, for the envelope. */
  readonly json: string;
  readonly etag: string | undefined;
  readonly location: string | undefined;
  readonly cacheControl: string;
}

/** Turns a response message into what HTTP says. */
export type ResponseWriter = (response: Message) => HttpOutput;

/** The writer for a binding: JSON by protobuf's mapping, with the fields that have no presence always there. */
export function compileResponse(binding: Binding): ResponseWriter {
  const { method, responseBody, contract } = binding;
  const { policy } = contract;
  const json = compileJson(method.output, responseBody);
  const etag = compileEtag(method.output, responseBody);
  const location = compileLocation(method.output, policy.location);
  const status = policy.successStatus === 0 ? 200 : policy.successStatus;
  const cacheControl = cacheControlOf(policy.cacheability);
  return (response) => ({
    status,
    json: json(response),
    etag: etag(response),
    location: location(response),
    cacheControl,
  });
}

/** JSON text of a message. */
export function jsonOf(message: DescMessage, value: Message): string {
  return JSON.stringify(toJson(message, value, emitAll));
}

const emitAll = { alwaysEmitImplicit: true } as const;

/** Writes a message, or one field of it, as JSON text; a field that is unset as `{}` or `null`. */
export function compileJson(message: DescMessage, field: DescField | undefined): (response: Message) => string {
  if (field === undefined) return (response) => jsonOf(message, response);
  const { jsonName } = field;
  const empty = field.fieldKind === "message" ? "{}" : "null";
  // Wrappers and structs stand in a message in a form of their own: only the whole knows how to write them.
  if (field.fieldKind === "message" && !field.message.typeName.startsWith("google.protobuf.")) {
    const inner = field.message;
    return (response) => {
      const value = valueOf(response, field);
      return value === undefined ? empty : jsonOf(inner, value as Message);
    };
  }
  return (response) => {
    const whole = toJson(message, response, emitAll) as Record<string, unknown>;
    return JSON.stringify(whole[jsonName]) ?? empty;
  };
}

/** The value of a field as protobuf-es keeps it: undefined where it is unset. */
export function valueOf(message: Message, field: DescField): unknown {
  // Generated messages are plain objects with a property for each field; only their static types differ.
  const holder = message as unknown as Readonly<Record<string, unknown>>;
  if (field.oneof === undefined) return holder[field.localName];
  const choice = holder[field.oneof.localName] as { readonly case?: string; readonly value?: unknown } | undefined;
  return choice?.case === field.localName ? choice.value : undefined;
}

/** Reads the `etag` of what becomes the body: AIP-154 names the field. */
function compileEtag(message: DescMessage, body: DescField | undefined): (response: Message) => string | undefined {
  const within = body === undefined ? message : body.fieldKind === "message" ? body.message : undefined;
  const field = within?.fields.find(({ name, fieldKind }) => name === "etag" && fieldKind === "scalar");
  if (field === undefined) return () => undefined;
  return (response) => {
    const holder = body === undefined ? response : (valueOf(response, body) as Message | undefined);
    const etag = holder && valueOf(holder, field);
    return typeof etag === "string" ? formatEtag(etag) : undefined;
  };
}

/** Fills the braces of a `location`; a piece of the path that is empty or unset leaves the header out. */
function compileLocation(message: DescMessage, template: string): (response: Message) => string | undefined {
  if (template === "") return () => undefined;
  const pieces = template
    .split(/\{([^}]*)\}/)
    .map((text, index) => (index % 2 === 0 ? { text } : { path: fieldsOf(message, text.split(".")) }));
  return (response) => {
    let location = "";
    for (const piece of pieces) {
      if ("text" in piece) {
        location += piece.text;
        continue;
      }
      let value: unknown = response;
      for (const field of piece.path) value = value === undefined ? undefined : valueOf(value as Message, field);
      if (value === undefined || value === "") return undefined;
      location += encodeURIComponent(String(value));
    }
    return location;
  };
}

function cacheControlOf(cacheability: Cacheability): string {
  switch (cacheability) {
    case Cacheability.REVALIDATE:
      return "private, no-cache";
    case Cacheability.PUBLIC:
      return "public, max-age=60";
    default:
      return "no-store";
  }
}
