import { create, type DescMessage, type Message, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type {
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  sendUnaryData,
  ServerReadableStream,
  ServerWritableStream,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import { authorize, type TokenVerifier } from "@weft/security";
import type { CallContext } from "../context.ts";
import { type RawCall, ServerCall } from "./call.ts";
import type { ServerLoad } from "./load.ts";
import type { MethodPlan } from "./plan.ts";
import { decode, validate } from "./validate.ts";
import type { WireStatus } from "../wire/status.ts";
import type { CallWatch, RunningCall } from "./watch.ts";

/** What all calls of a server share. */
export interface ServeOptions {
  readonly watch: CallWatch;
  readonly load: ServerLoad;
  readonly tokens: TokenVerifier | undefined;
  /** Initial metadata of the streams of standard protocols. */
  readonly hello: Metadata;
}

type Invoke = (request: unknown, context: CallContext) => unknown;
type Inbound = ServerReadableStream<Buffer, Buffer>;
type Outbound = ServerWritableStream<Buffer, Buffer>;

/**
 * What grpc-js calls for a method. Outermost first: refusal while draining, calls that nobody waits for any more,
 * deadline, errors to statuses, authentication, access, validation; then the handler.
 */
export function serve(plan: MethodPlan, options: ServeOptions): UntypedHandleCall {
  switch (plan.method.methodKind) {
    case "unary":
      return unary(plan, options);
    case "client_streaming":
      return clientStreaming(plan, options);
    case "server_streaming":
    case "bidi_streaming":
      return responseStreaming(plan, options);
  }
}

function unary(plan: MethodPlan, options: ServeOptions): handleUnaryCall<Buffer, Buffer> {
  return (raw, respond) =>
    inTurn(raw, plan, options, respond, (call) => {
      const running = beginUnary(plan, options, call, respond);
      if (call.needsTimer) call.armDeadline(running.end);
      void answer(running, options, respond, (invoke) => invoke(accept(plan, call, raw.request), call));
    });
}

function clientStreaming(plan: MethodPlan, options: ServeOptions): handleClientStreamingCall<Buffer, Buffer> {
  return (raw, respond) =>
    inTurn(raw, plan, options, respond, (call) => {
      const running = beginUnary(plan, options, call, respond);
      call.armDeadline(running.end);
      call.signal.addEventListener("abort", () => running.end(WeftError.from(call.signal.reason)));
      void answer(running, options, respond, (invoke) => invoke(requestsOf(raw, plan, call), call));
    });
}

function responseStreaming(plan: MethodPlan, options: ServeOptions): handleServerStreamingCall<Buffer, Buffer> {
  return (raw) =>
    inTurn(
      raw,
      plan,
      options,
      (status) => raw.emit("error", status),
      (call) => {
        let iterator: AsyncIterator<unknown> | undefined;
        const running = options.watch.begin(plan, call, (error) => {
          if (call.finished) return;
          raw.emit("error", options.watch.failed(running, error));
          call.abort(error);
          // A handler that waits for something else than the signal is told this way.
          void Promise.resolve(iterator?.return?.()).catch(() => undefined);
        });
        call.armDeadline(running.end);
        call.signal.addEventListener("abort", () => running.end(WeftError.from(call.signal.reason)));
        if (!plan.governed) raw.sendMetadata(options.hello.clone());
        void (async () => {
          try {
            const handler = await admit(plan, options, call);
            const request =
              isInbound(raw) && plan.method.methodKind === "bidi_streaming"
                ? requestsOf(raw, plan, call)
                : accept(plan, call, raw.request);
            iterator = iteratorOf(handler(request, call));
            for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
              if (call.finished) return void (await iterator.return?.());
              if (!raw.write(encode(plan.method.output, next.value))) await drained(raw);
            }
            if (call.finished) return;
            options.watch.succeeded(running);
            raw.end(call.trailers);
          } catch (error) {
            if (!call.finished) raw.emit("error", options.watch.failed(running, fromHandler(error)));
          }
        })();
      },
    );
}

/**
 * Begins a call when its turn comes, or ends it by then. One that came before the server began to drain is in flight,
 * unless it has no end. Protocol services don't wait for a turn.
 */
function inTurn(
  raw: RawCall,
  plan: MethodPlan,
  { watch, load }: ServeOptions,
  end: (status: WireStatus) => void,
  begin: (call: ServerCall) => void,
): void {
  const call = new ServerCall(raw, plan, load);
  if (watch.draining) return end(watch.refused(plan, call));
  const start = (): boolean => {
    const { lost } = call;
    const isRefused = watch.ended || (watch.draining && plan.endless);
    if (isRefused) end(watch.refused(plan, call));
    else if (lost !== undefined) end(watch.unworked(plan, call, lost));
    else begin(call);
    return !isRefused && lost === undefined;
  };
  if (plan.governed) load.begin(call.priority, start);
  else start();
}

function beginUnary(
  plan: MethodPlan,
  { watch }: ServeOptions,
  call: ServerCall,
  respond: sendUnaryData<Buffer>,
): RunningCall {
  const running = watch.begin(plan, call, (error) => {
    if (call.finished) return;
    respond(watch.failed(running, error));
    call.abort(error);
  });
  return running;
}

/** Runs a handler that gives one response. */
async function answer(
  running: RunningCall,
  options: ServeOptions,
  respond: sendUnaryData<Buffer>,
  run: (invoke: Invoke) => unknown,
): Promise<void> {
  const { plan, call } = running;
  try {
    const admitted = admit(plan, options, call);
    const response = await run(admitted instanceof Promise ? await admitted : admitted);
    const bytes = encode(plan.method.output, response);
    if (call.finished) return;
    if (call.givenUp === undefined) options.watch.succeeded(running);
    else options.watch.failed(running, call.givenUp);
    respond(null, bytes, call.trailers);
  } catch (error) {
    if (!call.finished) respond(options.watch.failed(running, fromHandler(error)));
  }
}

/** The handler, for a caller who may call it as far as can be told without the request. */
function admit(plan: MethodPlan, { tokens }: ServeOptions, call: ServerCall): Invoke | Promise<Invoke> {
  const { handler = unbuilt(plan) } = plan;
  const invoke: Invoke = (request, context) => {
    if (plan.governed && plan.method.methodKind === "unary") call.work();
    return Reflect.apply(handler, undefined, [request, context]);
  };
  if (!plan.governed) return invoke;
  const verified = tokens?.verify(call.authorization);
  if (verified instanceof Promise) {
    return verified.then(
      (principal) => {
        call.principal = principal;
        return invoke;
      },
      (error: unknown) => {
        if (plan.open) return invoke;
        throw error;
      },
    );
  }
  call.principal = verified;
  return invoke;
}

/** Stands in for a handler, so that a caller who may not call at all is told that first. */
function unbuilt(plan: MethodPlan): Invoke {
  return () => {
    throw new WeftError("UNIMPLEMENTED", `${plan.name} is not built yet`);
  };
}

/** One message of a request: decoded, allowed and valid. */
function accept(plan: MethodPlan, call: ServerCall, bytes: Buffer): Message {
  const schema = plan.method.input;
  const message = decode(schema, bytes);
  if (!plan.governed) return message;
  authorize({ access: plan.access, principal: call.principal, schema, message });
  validate(schema, message);
  return message;
}

/**
 * Node ends a stream before it resets it, so a caller that gave up looks for a moment like one that is done. Only
 * after this many milliseconds a request stream counts as complete.
 */
const resetGraceMs = 10;

/**
 * The messages of a request stream, for a caller who may send it. That is checked before any comes, as there may be
 * none; in each, only what an owner rule says of it is left to check.
 */
function requestsOf(raw: Inbound, plan: MethodPlan, call: ServerCall): AsyncGenerator<Message> {
  const schema = plan.method.input;
  if (plan.governed) authorize({ access: plan.access, principal: call.principal, schema, message: create(schema) });
  return messagesOf(raw, plan, call);
}

/** Pulled as the handler asks for them. */
async function* messagesOf(raw: Inbound, plan: MethodPlan, call: ServerCall): AsyncGenerator<Message> {
  try {
    // Kept open when the handler stops early: a bidi stream still has its answers to send.
    for await (const bytes of raw.iterator({ destroyOnReturn: false })) yield accept(plan, call, bytes);
  } catch (error) {
    throw call.givenUp ?? error;
  }
  await new Promise((resolve) => setTimeout(resolve, resetGraceMs));
  if (call.givenUp !== undefined) throw call.givenUp;
}

function encode(schema: DescMessage, response: unknown): Buffer {
  if (!isInit(response)) throw new TypeError(`a handler gave no ${schema.typeName}`);
  const bytes = toBinary(schema, create(schema, response));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isInit(response: unknown): response is MessageInitShape<DescMessage> {
  return typeof response === "object" && response !== null;
}

function drained(raw: Outbound): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      raw.off("drain", settle);
      raw.off("close", settle);
      resolve();
    };
    raw.on("drain", settle);
    raw.on("close", settle);
    if (raw.destroyed) settle();
  });
}

function iteratorOf(result: unknown): AsyncIterator<unknown> {
  if (typeof result === "object" && result !== null && Symbol.asyncIterator in result) {
    const open: unknown = result[Symbol.asyncIterator];
    if (typeof open === "function") return Reflect.apply(open, result, []);
  }
  throw new TypeError("a streaming handler must give an async iterable");
}

function isInbound(raw: Outbound): raw is Outbound & Inbound {
  return "read" in raw;
}

/** On the wire DRAINING means 'refused here'; a handler that got it from a call of its own is only out of luck. */
function fromHandler(thrown: unknown): unknown {
  if (!(thrown instanceof WeftError) || thrown.reason !== "DRAINING") return thrown;
  return new WeftError("UNAVAILABLE", thrown.message, { cause: thrown });
}
