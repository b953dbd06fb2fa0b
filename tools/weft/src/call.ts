import { createInterface } from "node:readline";
import { createRegistry, type DescMethod, fromJson, type Message, toJson } from "@bufbuild/protobuf";
import { services } from "@weft/contracts";
import { type JsonValue, WeftError } from "@weft/kit";
import { openAccess, reportErrors } from "./access.ts";
import type { AccessFlags } from "./cli.ts";
import type { Terminal } from "./terminal.ts";

export interface CallArguments extends AccessFlags {
  readonly method: string;
  readonly request: string | undefined;
}

const registry = createRegistry(...services.map(({ service }) => service));
const jsonOptions = { registry, alwaysEmitImplicit: true } as const;

/** Calls a method: prints the response as JSON, those of a stream a line each. */
export function callCommand(call: CallArguments, terminal: Terminal): Promise<number> {
  return reportErrors(call, terminal, () => run(call, terminal));
}

async function run(call: CallArguments, terminal: Terminal): Promise<void> {
  const { method, target } = findMethod(call.method);
  await using stack = new AsyncDisposableStack();
  const { transport, options } = await openAccess(target, call, terminal, stack);
  // On a terminal a single answer is for reading; anywhere else, and of a stream, an answer is a line.
  const isStream = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
  const indent = call.json === true || isStream || terminal.stdout.isTTY !== true ? undefined : 2;
  const print = (message: Message): void => {
    terminal.stdout.write(`${JSON.stringify(toJson(method.output, message, jsonOptions), null, indent)}\n`);
  };

  if (method.methodKind === "unary") {
    return print(await transport.unary(method, requestOf(method, call.request ?? "{}", "the request"), options));
  }
  const requests =
    method.methodKind === "server_streaming"
      ? [requestOf(method, call.request ?? "{}", "the request")]
      : call.request === undefined
        ? fromLines(method, terminal)
        : [requestOf(method, call.request, "the request")];
  for await (const message of transport.stream(method, each(requests), options)) print(message);
}

async function* each(messages: Iterable<Message> | AsyncIterable<Message>): AsyncGenerator<Message> {
  yield* messages;
}

async function* fromLines(method: DescMethod, { stdin }: Terminal): AsyncGenerator<Message> {
  let number = 0;
  for await (const line of createInterface({ input: stdin })) {
    number += 1;
    if (line.trim() !== "") yield requestOf(method, line, `line ${number}`);
  }
}

function requestOf(method: DescMethod, text: string, what: string): Message {
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue; // JSON is what JSON.parse gives.
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WeftError("MALFORMED_JSON", `${what} is not JSON: ${why}`, { cause: error });
  }
  try {
    return fromJson(method.input, json as Parameters<typeof fromJson>[1], { registry });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WeftError("MALFORMED_JSON", `${what} is not a ${method.input.typeName}: ${why}`, { cause: error });
  }
}

/** `INVALID_ARGUMENT` with what there is, when there is no such method. */
export function findMethod(name: string): { readonly method: DescMethod; readonly target: string } {
  const [path = "", wanted = ""] = name.replace(/^\//, "").split("/");
  const found = services.find(({ service }) =>
    [service.typeName, short(service.typeName), service.name].includes(path),
  );
  if (found === undefined) {
    const names = services.map(({ service }) => short(service.typeName)).join(", ");
    throw new WeftError("INVALID_ARGUMENT", `there is no service ${path}; there are ${names}`);
  }
  const { service, target } = found;
  const method = service.methods.find((one) => one.name === wanted || one.localName === wanted);
  if (method !== undefined) return { method, target };
  const names = service.methods.map((one) => one.name).join(", ");
  throw new WeftError("INVALID_ARGUMENT", `${short(service.typeName)} has no method ${wanted}; it has ${names}`);
}

function short(typeName: string): string {
  return typeName.replace(/^weft\./, "");
}
