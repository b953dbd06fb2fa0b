import { implement, openServer, openTransport, type RpcServer, type ServerOptions, type Transport } from "../index.ts";
import type { CallContext } from "../context.ts";
import type { Handlers } from "../types.ts";
import { EchoService } from "./echo.ts";

/** A server of the test service and a way to it. */
export interface EchoFixture extends AsyncDisposable {
  readonly server: RpcServer;
  readonly transport: Transport;
}

export async function openEcho(
  handlers: Handlers<typeof EchoService>,
  options: Partial<ServerOptions> = {},
): Promise<EchoFixture> {
  const server = await openServer({
    host: "127.0.0.1",
    port: 0,
    services: [implement(EchoService, handlers)],
    ...options,
  });
  const transport = openTransport({ address: server.address });
  return {
    server,
    transport,
    [Symbol.asyncDispose]: async () => {
      await transport[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** What a promise is rejected with. */
export async function errorFrom(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`expected a failure, got ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}

/** All items of a stream. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** The iterator of a stream, to be pulled by hand. */
export function iterate<T>(stream: AsyncIterable<T>): AsyncIterator<T> {
  return stream[Symbol.asyncIterator]();
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener("abort", resolve));
}

/** A handler that accepts, and then says nothing. */
export async function* quiet(_: unknown, context: CallContext): AsyncGenerator<never> {
  context.accept();
  await aborted(context.signal);
}

/** Nothing else of this process moves meanwhile. */
export function compute(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

/** Resolves when `condition` holds; fails after `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error("it did not come about in time");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
