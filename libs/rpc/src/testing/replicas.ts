import type { InstanceList } from "@weft/discovery";
import { Latest } from "@weft/kit";
import type { Decision } from "@weft/resilience";
import {
  type Client,
  createClient,
  implement,
  type MeshTransport,
  openServer,
  openTransport,
  type RpcServer,
  type TransportPolicy,
} from "../index.ts";
import type { Handlers } from "../types.ts";
import { EchoService } from "./echo.ts";
import { until } from "./harness.ts";

/** A service of a few replicas whose list a test writes itself, and a transport to it. */
export interface Replicas extends AsyncDisposable {
  readonly transport: MeshTransport;
  readonly client: Client<typeof EchoService>;
  readonly decisions: Decision[];
  /** Starts one that serves, and lists it. */
  start(id: string, handlers: Handlers<typeof EchoService>, metadata?: Record<string, string>): Promise<RpcServer>;
  /** Lists one that runs elsewhere. */
  add(id: string, address: string): void;
  /** Takes one from the list. */
  remove(id: string): void;
}

/** Resolves when that many replicas are connected. */
export function connected({ transport }: Replicas, count: number): Promise<void> {
  return until(
    () => transport.status().endpoints.filter(({ connection }) => connection === "connected").length === count,
  );
}

/** What the transport holds for streams: in its bulkhead, and on its instances. */
export function held({ transport }: Replicas): readonly number[] {
  const { inside, endpoints } = transport.status();
  return [inside.streams, ...endpoints.map(({ inFlight }) => inFlight)];
}

export function openReplicas(policy: TransportPolicy = {}): Replicas {
  const stack = new AsyncDisposableStack();
  const listed = new Map<string, { address: string; metadata: Record<string, string> }>();
  const lists = new Latest<InstanceList>();
  const tell = (): void => {
    const instances = [...listed].map(([id, facts]) => ({ service: "echo", id, ...facts }));
    lists.set({ instances, stale: false });
  };
  tell();
  const decisions: Decision[] = [];
  const transport = openTransport({
    target: "echo",
    discovery: { watch: (_, signal) => lists.values(signal) },
    policy,
    onDecision: (decision) => decisions.push(decision),
  });
  stack.use(transport);
  return {
    transport,
    client: createClient(EchoService, transport),
    decisions,
    async start(id, handlers, metadata = {}) {
      const services = [implement(EchoService, handlers)];
      const server = await openServer({ host: "127.0.0.1", port: 0, services });
      stack.use(server);
      server.health.set("", true);
      listed.set(id, { address: server.address, metadata });
      tell();
      return server;
    },
    add(id, address) {
      listed.set(id, { address, metadata: {} });
      tell();
    },
    remove(id) {
      listed.delete(id);
      tell();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
