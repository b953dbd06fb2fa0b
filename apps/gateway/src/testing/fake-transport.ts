import { create, type DescMethod, type Message, type MessageShape } from "@bufbuild/protobuf";
import { orAborted, WeftError } from "@weft/kit";
import type { CallOptions, Handler, Transport } from "@weft/rpc";

/** A call that a fake transport carried. */
export interface CarriedCall {
  readonly method: string;
  readonly request: Message | undefined;
  readonly options: CallOptions;
}

/**
 * A transport to handlers in the same process, for tests of what stands in front of one: the context that handlers get
 * has the caller's signal, trace and token.
 */
export class FakeTransport implements Transport {
  readonly calls: CarriedCall[] = [];
  /** What a method without a handler answers: an error, or nothing once its requests have ended. */
  otherwise: "UNIMPLEMENTED" | "empty" = "UNIMPLEMENTED";
  readonly #handlers = new Map<string, Handler<DescMethod>>();

  /** Serves a method from now on. */
  on<M extends DescMethod>(method: M, handler: Handler<M>): this {
    this.#handlers.set(nameOf(method), handler as Handler<DescMethod>);
    return this;
  }

  async unary(method: DescMethod, request: Message, options: CallOptions = {}): Promise<Message> {
    this.calls.push({ method: nameOf(method), request, options });
    const handler = this.#find(method) as (request: Message, context: object) => Promise<Record<string, unknown>>;
    return create(method.output, await handler(request, contextOf(options)));
  }

  async *stream(
    method: DescMethod,
    requests: AsyncIterable<Message>,
    options: CallOptions = {},
  ): AsyncGenerator<Message> {
    this.calls.push({ method: nameOf(method), request: undefined, options });
    const handler = this.#find(method) as (
      request: unknown,
      context: object,
    ) => AsyncIterable<Record<string, unknown>> & Promise<Record<string, unknown>>;
    const context = contextOf(options);
    if (method.methodKind === "client_streaming") {
      yield create(method.output, await orAborted(handler(requests, context), options.signal));
      return;
    }
    let request: Message | undefined;
    for await (const only of requests) request = only;
    const iterator = handler(request, context)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await orAborted(iterator.next(), options.signal);
        if (next.done === true) return;
        yield create(method.output, next.value);
      }
    } finally {
      iterator.return?.().catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #find(method: DescMethod): unknown {
    const handler = this.#handlers.get(nameOf(method));
    if (handler === undefined && this.otherwise === "empty") return emptyHandler(method);
    if (handler === undefined) throw new WeftError("UNIMPLEMENTED", `${nameOf(method)} is not built`);
    return handler;
  }
}

function emptyHandler({ methodKind }: DescMethod): unknown {
  switch (methodKind) {
    case "unary":
      return () => ({});
    case "client_streaming":
      return async (requests: AsyncIterable<Message>) => {
        for await (const _ of requests);
        return {};
      };
    default:
      return async function* () {};
  }
}

/** The last request that a method got. */
export function lastRequest<M extends DescMethod>(fake: FakeTransport, method: M): MessageShape<M["input"]> {
  const call = fake.calls.findLast((other) => other.method === nameOf(method));
  if (call?.request === undefined) throw new Error(`${nameOf(method)} was not called`);
  return call.request as MessageShape<M["input"]>;
}

function nameOf(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

function contextOf({ signal, authorization, trace, metadata, onAccepted }: CallOptions): object {
  const accept = (): void => onAccepted?.();
  return { signal: signal ?? new AbortController().signal, authorization, trace, metadata, deadline: Infinity, accept };
}
