import type { ServerResponse } from "node:http";
import type { DescField, Message } from "@bufbuild/protobuf";
import type { Log } from "@weft/kit";
import type { Begin } from "../http/answer.ts";
import type { Binding } from "../routes/bindings.ts";
import { jsonOf, valueOf } from "../transcode/response.ts";
import { write } from "./writer.ts";

/** Writes the items of one message of a stream as lines. */
export type LineWriter = (message: Message) => string | Buffer;

/** The line writer for a binding whose responses are items. Throws an Error where its messages don't fit: a bug of a `.proto`. */
export function compileLineWriter(binding: Binding, items: string): LineWriter {
  const { output } = binding.method;
  const field = output.fields.find((other) => other.name === items);
  if (field?.fieldKind !== "list") throw new Error(`${output.typeName} has no items ${items}`);
  const { message } = field;
  if (message === undefined) return (response) => Buffer.concat(itemsOf(response, field).flatMap(rawLine));
  return (response) =>
    itemsOf(response, field)
      .map((item) => `${jsonOf(message, item as Message)}\n`)
      .join("");
}

const newline = Buffer.from("\n");

function rawLine(item: unknown): Uint8Array[] {
  return item instanceof Uint8Array ? [item, newline] : [];
}

function itemsOf(response: Message, field: DescField): readonly unknown[] {
  const items = valueOf(response, field);
  return Array.isArray(items) ? items : [];
}

/**
 * Answers with the items of a server stream, one JSON a line. An error before the first message is thrown: it has an
 * answer of its own. After that the status is out, so an error cuts the connection: the caller sees an answer that
 * breaks off, which can't be mistaken for a whole one.
 */
export async function download(
  begin: Begin,
  messages: AsyncIterable<Message>,
  { lines, log }: { readonly lines: LineWriter; readonly log: Log },
): Promise<void> {
  let response: ServerResponse | undefined;
  try {
    for await (const message of messages) {
      response ??= begin({ "content-type": "application/x-ndjson" });
      const text = lines(message);
      if (text.length > 0) await write(response, text);
    }
    response ??= begin({ "content-type": "application/x-ndjson" });
    response.end();
  } catch (error) {
    if (response === undefined) throw error;
    if (!response.destroyed) log.warn({ err: error }, "an answer broke off");
    response.destroy();
  }
}
