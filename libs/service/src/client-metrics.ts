import type { DescMethod, Message } from "@bufbuild/protobuf";
import { type Clock, type Code, WeftError } from "@weft/kit";
import type { CallOptions, Transport, TransportStatus } from "@weft/rpc";
import { attributes, metricNames, type Metrics } from "@weft/telemetry";

/** Tells how a call ended. */
type End = (code: Code | "OK") => void;

/** Measures calls at their client, all tries of each together. */
export class ClientMetrics {
  readonly #clock: Clock;
  readonly #record: (value: number, attributes: Readonly<Record<string, string>>) => void;
  readonly #active = new Map<string, number>();

  constructor(metrics: Metrics, clock: Clock) {
    const { target, rpcMethod, rpcService, rpcCode } = attributes;
    this.#clock = clock;
    this.#record = metrics.histogram(metricNames.rpcClientDuration, [target, rpcService, rpcMethod, rpcCode]);
    metrics.gauges(metricNames.rpcClientActive, [target], () =>
      [...this.#active].map(([name, count]) => [count, { [target]: name }] as const),
    );
  }

  /** The transport to `target`, measured. Who made it disposes it. */
  measured(transport: Transport, target: string): Transport {
    const begin = (method: DescMethod): End => this.#begin(target, method);
    return {
      unary: (method, request, options) => {
        const end = begin(method);
        // The promise itself, but for a look at its end: one around it would cost each call more turns.
        const answer = transport.unary(method, request, options);
        answer.then(
          () => end("OK"),
          (error: unknown) => end(WeftError.from(error).code),
        );
        return answer;
      },
      stream: (method: DescMethod, requests: AsyncIterable<Message>, options?: CallOptions) => ({
        [Symbol.asyncIterator]: () =>
          watched(transport.stream(method, requests, options)[Symbol.asyncIterator](), () => begin(method)),
      }),
      [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
    };
  }

  #begin(target: string, method: DescMethod): End {
    const startedAt = this.#clock.monotonic();
    this.#active.set(target, (this.#active.get(target) ?? 0) + 1);
    let ended = false;
    return (code) => {
      if (ended) return;
      ended = true;
      this.#active.set(target, (this.#active.get(target) ?? 1) - 1);
      this.#record((this.#clock.monotonic() - startedAt) / 1000, {
        [attributes.target]: target,
        [attributes.rpcService]: method.parent.typeName,
        [attributes.rpcMethod]: method.name,
        [attributes.rpcCode]: code,
      });
    };
  }
}

/** Shows how many instances of each target there are, by their state. */
export function measureTargets(metrics: Metrics, mesh: { status(): readonly TransportStatus[] }): void {
  const { target, state } = attributes;
  metrics.gauges(metricNames.targetInstances, [target, state], () =>
    mesh.status().flatMap((one) => {
      const states = Map.groupBy(one.endpoints, (endpoint) => endpoint.state);
      return [...states].map(([name, all]) => [all.length, { [target]: one.target, [state]: name }] as const);
    }),
  );
}

/** The iterator itself, but for a look at both ends: a generator around it would cost each message another turn. */
function watched(messages: AsyncIterator<Message>, begin: () => End): AsyncIterator<Message> {
  let end: End | undefined;
  return {
    next: async () => {
      end ??= begin();
      try {
        const result = await messages.next();
        if (result.done === true) end("OK");
        return result;
      } catch (error) {
        end(WeftError.from(error).code);
        throw error;
      }
    },
    return: async () => {
      end?.("CANCELLED");
      return (await messages.return?.()) ?? { done: true, value: undefined };
    },
  };
}
