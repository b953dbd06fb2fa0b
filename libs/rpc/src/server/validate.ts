import { create, type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { WeftError } from "@weft/kit";

const validator = createValidator();

/** The message in `bytes`. `INVALID_ARGUMENT` when they are not one. */
export function decode(schema: DescMessage, bytes: Uint8Array): Message {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new WeftError("INVALID_ARGUMENT", `the request is not a ${schema.typeName}`, { cause: error });
  }
}

/** `INVALID_ARGUMENT` with every broken rule, by fields as JSON names them (`user.email`, `tags[2]`, `labels["a"]`). */
export function validate(schema: DescMessage, message: Message): void {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return;
  if (result.kind === "error") throw result.error; // A rule that does not compile is our bug.
  const violations = result.violations.map(({ field, message: description }) => ({
    field: jsonPath(field),
    description,
  }));
  const first = violations[0];
  const about = first === undefined || first.field === "" ? "the request" : first.field;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  throw new WeftError("INVALID_ARGUMENT", `${about}: ${first?.description ?? "breaks a rule"}${more}`, { violations });
}

/** Prepares the rules of a message. Throws when they make no sense. */
export function compileRules(schema: DescMessage): void {
  const { error, kind } = validator.validate(schema, create(schema));
  if (kind === "error") throw error;
}

function jsonPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (part.kind === "list_sub") text += `[${part.index}]`;
    else if (part.kind === "map_sub") text += `[${JSON.stringify(String(part.key))}]`;
    else {
      const name =
        part.kind === "field" ? part.jsonName : part.kind === "oneof" ? part.localName : `[${part.typeName}]`;
      text += text === "" ? name : `.${name}`;
    }
  }
  return text;
}
