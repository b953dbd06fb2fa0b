import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRegistry, type DescMethod, fromJson, type Message, toJson } from "@bufbuild/protobuf";
import { Blocks, openDiscovery } from "@weft/blocks";
import { services } from "@weft/contracts";
import { isWeftError, type JsonValue, WeftError } from "@weft/kit";
import { openTransport, type Transport } from "@weft/rpc";
import { blockUrlsOf, type CommonConfig } from "@weft/service/config";
import type { CallFlags } from "./cli.ts";
import type { Terminal } from "./terminal.ts";
import { readLookConfig } from "./up/config.ts";

export interface CallArguments extends CallFlags {
  readonly method: string;
  readonly request: string | undefined;
}

const registry = createRegistry(...services.map(({ service }) => service));
const jsonOptions = { registry, alwaysEmitImplicit: true } as const;

/**
 * Calls a method: prints the response as JSON, those of a stream a line each. An error is its message and reason on
 * standard error, as JSON with `--json`, and 1.
 */
export async function callCommand(call: CallArguments, terminal: Terminal): Promise<number> {
  try {
    await run(call, terminal);
    return 0;
  } catch (error) {
    if (!isWeftError(error)) throw error;
    const { code, reason, message, violations } = error;
    if (call.json === true) {
      terminal.stderr.write(`${JSON.stringify({ code, reason, message, violations })}\n`);
    } else {
      const fields = violations.map(({ field, description }) => `\n  ${field}: ${description}`);
      terminal.stderr.write(`weft: ${message} (${reason})${fields.join("")}\n`);
    }
    return 1;
  }
}

async function run(call: CallArguments, terminal: Terminal): Promise<void> {
  const { method, target } = findMethod(call.method);
  const config = readLookConfig(call, terminal);
  await using stack = new AsyncDisposableStack();
  const transport = stack.use(await transportTo(target, call.address, config, stack));
  const token = call.token ?? (isHere(call.address) ? adminToken(config.dataDir) : undefined);
  const options = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(call.timeout === undefined ? {} : { timeoutMs: call.timeout }),
  };
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

async function transportTo(
  target: string,
  address: string | undefined,
  config: CommonConfig,
  stack: AsyncDisposableStack,
): Promise<Transport> {
  if (address !== undefined) return openTransport({ address });
  const blocks = new Blocks({ dataDir: config.dataDir, urls: blockUrlsOf(config), stack });
  return openTransport({ target, discovery: await openDiscovery(blocks) });
}

/** Whether an address is on this machine: the administrator's token goes nowhere else unless it is given. */
function isHere(address: string | undefined): boolean {
  return address === undefined || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/.test(address);
}

/** What the embedded profile writes for its administrator; without it the call is anonymous. */
function adminToken(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, "admin-token"), "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}
