import { create, type DescField, type DescMessage, fromJson, type Message } from "@bufbuild/protobuf";
import { WeftError } from "@weft/kit";
import type { Binding } from "../routes/bindings.ts";
import { parseJson } from "../transcode/json-body.ts";
import { explain } from "../transcode/violations.ts";
import type { Failures } from "./failures.ts";
import type { Line } from "./lines.ts";

/** A batch ends with so many items, or so many bytes of input. */
const maxBatchItems = 100;
const maxBatchBytes = 64 * 1024;

/** Collects lines into request messages. */
export interface Batcher {
  /** Adds a line; the message that is full with it, if one is. A bad line goes to the failures. */
  add(line: Line): Message | undefined;
  /** The items collected so far. */
  flush(): Message | undefined;
}

/** Makes batchers for a binding whose requests are lines of JSON. Throws an Error where its messages don't fit: a bug of a `.proto`. */
export function compileBatcher(binding: Binding, items: string): (base: Message, failures: Failures) => Batcher {
  const { input } = binding.method;
  const field = input.fields.find((other) => other.name === items);
  const item = field?.message;
  if (field?.fieldKind !== "list" || item === undefined) throw new Error(`${input.typeName} has no items ${items}`);
  const read = compileItem(item);
  return (base, failures) => {
    let batch: Message[] = [];
    let bytes = 0;
    const flush = (): Message | undefined => {
      if (batch.length === 0) return undefined;
      const message = create(input, { ...base, [field.localName]: batch });
      batch = [];
      bytes = 0;
      return message;
    };
    const add = (line: Line): Message | undefined => {
      if ("tooLong" in line) {
        failures.add(line.number, new WeftError("PAYLOAD_TOO_LARGE", "the line is too long"));
        return undefined;
      }
      try {
        batch.push(read(line.number, line.bytes));
      } catch (error) {
        failures.add(line.number, WeftError.from(error));
        return undefined;
      }
      bytes += line.bytes.length;
      return batch.length >= maxBatchItems || bytes >= maxBatchBytes ? flush() : undefined;
    };
    return { add, flush };
  };
}

/** Reads a line into an item: its number, and its JSON as a message, or as bytes that the serving process reads. */
function compileItem(item: DescMessage): (number: number, bytes: Buffer) => Message {
  const line = item.fields.find((field) => field.name === "line");
  const value: DescField | undefined = item.fields.find((field) => field !== line);
  if (line === undefined || value === undefined || item.fields.length !== 2) {
    throw new Error(`${item.typeName} is not a line and one more field`);
  }
  const { message } = value;
  if (message === undefined)
    return (number, bytes) => create(item, { [line.localName]: number, [value.localName]: bytes });
  return (number, bytes) => {
    const json = parseJson(bytes);
    if (json === null || typeof json !== "object" || Array.isArray(json)) {
      throw new WeftError("MALFORMED_JSON", "the line is not a JSON object");
    }
    let parsed: Message;
    try {
      parsed = fromJson(message, json as Parameters<typeof fromJson>[1]);
    } catch {
      throw explain(message, json, undefined);
    }
    return create(item, { [line.localName]: number, [value.localName]: parsed });
  };
}
