import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { WeftError } from "@weft/kit";
import { mapped } from "./client/mapped.ts";
import type { CallOptions } from "./context.ts";
import type { Transport } from "./transport.ts";
import type { Client } from "./types.ts";

type Init = MessageInitShape<DescMessage>;

/** Typed functions that call a service over a transport. They need no `this`, and cost nothing to make twice. */
export function createClient<S extends DescService>(service: S, transport: Transport): Client<S> {
  const callers: Record<string, unknown> = {};
  for (const method of service.methods) callers[method.localName] = callerOf(method, transport);
  return callers as Client<S>; // One caller for each method, of the kind that the descriptor says.
}

function callerOf(method: DescMethod, transport: Transport): unknown {
  const { input } = method;
  switch (method.methodKind) {
    case "unary":
      return (request: Init, options?: CallOptions) => transport.unary(method, create(input, request), options);
    case "server_streaming":
      return (request: Init, options?: CallOptions) => transport.stream(method, just(create(input, request)), options);
    case "client_streaming":
      return (requests: AsyncIterable<Init>, options?: CallOptions) =>
        only(method, transport.stream(method, messages(method, requests), options));
    case "bidi_streaming":
      return (requests: AsyncIterable<Init>, options?: CallOptions) =>
        transport.stream(method, messages(method, requests), options);
  }
}

async function* just(message: Message): AsyncGenerator<Message> {
  yield message;
}

function messages(method: DescMethod, requests: AsyncIterable<Init>): AsyncIterable<Message> {
  return mapped(requests, (request) => create(method.input, request));
}

/** The one response of a client stream. */
async function only(method: DescMethod, responses: AsyncIterable<Message>): Promise<Message> {
  let response: Message | undefined;
  for await (const message of responses) response = message;
  if (response === undefined) throw new WeftError("UNKNOWN", `${method.name} ended without a response`);
  return response;
}
