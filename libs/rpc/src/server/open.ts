import {
  logVerbosity,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { Health } from "@weft/contracts/grpc";
import { type Clock, type Code, hostAndPort, systemClock, WeftError } from "@weft/kit";
import type { OnDecision, OverloadOptions } from "@weft/resilience";
import type { TokenVerifier } from "@weft/security";
import type { ServiceImplementation } from "../implementation.ts";
import { defaultMaxMessageBytes } from "../wire/limits.ts";
import { formatResets, resetsKey } from "../wire/resets.ts";
import { addChannelz, same } from "./channelz.ts";
import {
  allowanceOf,
  allowResets,
  boundConnections,
  channelOptionsOf,
  type ConnectionOptions,
  http2ServersOf,
} from "./connections.ts";
import { gate } from "./gate.ts";
import { HealthService, type ServerHealth } from "./health.ts";
import { ServerLoad, type ServerStats } from "./load.ts";
import { type MethodPlan, planOf } from "./plan.ts";
import { reflectionOf } from "./reflection.ts";
import { serve, type ServeOptions } from "./serve.ts";
import { Sockets } from "./sockets.ts";
import { compileRules } from "./validate.ts";
import { type CallInfo, type CallLog, CallWatch } from "./watch.ts";

export interface ServerOptions {
  /** Address of the interface to listen on. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly services: readonly ServiceImplementation[];
  /** Without one every call is anonymous, so only public methods can be called. */
  readonly tokens?: TokenVerifier;
  /** For durations only; deadlines are the wire's. */
  readonly clock?: Clock;
  readonly log?: CallLog;
  /** Largest message taken or sent, in bytes. Default 4 MiB. */
  readonly maxMessageBytes?: number;
  /** Called at the end of each call; must not throw. */
  readonly onCall?: (info: CallInfo) => void;
  /** What decisions call this server. Default `server`. */
  readonly name?: string;
  /** Told of each call that is refused for want of room, and of every change of `degraded`. */
  readonly onDecision?: OnDecision;
  /** How more work is met than can be done; see {@link RpcServer.configure}. */
  readonly overload?: OverloadOptions;
  /** What callers' connections may do. */
  readonly connections?: ConnectionOptions;
}

/** A listening gRPC server. Disposing it drains for at most a second. */
export interface RpcServer extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
  /** Every service, and the server as a whole (`""`): not serving until told otherwise. */
  readonly health: ServerHealth;
  /** How it is doing. */
  readonly stats: ServerStats;
  /** Meets overload in another way from now on; what is left out becomes the default. */
  configure(overload: OverloadOptions): void;
  /**
   * Stops: calls that come from now on are refused with `DRAINING` (another replica takes them), those in flight go
   * on. Resolves when all have ended; when `signal` aborts first, the rest is ended with `DRAINING`.
   */
  drain(signal: AbortSignal): Promise<void>;
}

/**
 * Listens with these services, and health, reflection and channelz beside them. A failed call carries its error as
 * `google.rpc.Status` details and its trace id as the trailer `x-trace-id`. `FAILED_PRECONDITION` when the port is
 * taken.
 *
 * A server that has more calls than it can answer in time refuses some before it looks at them: `RESOURCE_EXHAUSTED`
 * with `RetryInfo` and the trailer `weft-refused`, the least important first. Health, reflection and channelz are never
 * refused.
 */
export async function openServer(options: ServerOptions): Promise<RpcServer> {
  const { host, clock = systemClock, maxMessageBytes = defaultMaxMessageBytes } = options;
  const { name = "server", onDecision, overload = {}, connections = {} } = options;
  const load = new ServerLoad({ name, clock, onDecision, overload });
  const onCall = (info: CallInfo): void => {
    if (serverFaults.has(info.code)) load.failed();
    options.onCall?.(info);
  };
  const watch = new CallWatch({ log: options.log, onCall });
  const server = new Server({
    ...channelOptionsOf(connections),
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
  });
  const allowance = allowanceOf(connections);
  allowResets(server, allowance);
  const hello = new Metadata();
  hello.set(resetsKey, formatResets(allowance));
  const services = options.services.map(({ service }) => service);
  const health = new HealthService(services);
  const plans = new Map<string, MethodPlan>();
  for (const implementation of [...options.services, health.implementation, ...reflectionOf([...services, Health])]) {
    for (const plan of addService(server, implementation, { watch, load, tokens: options.tokens, hello })) {
      if (plan.governed) plans.set(`/${plan.name}`, plan);
    }
  }
  addChannelz(server);
  const port = await bind(server, host, options.port);
  const listening = http2ServersOf(server);
  boundConnections(listening, connections);
  for (const one of listening) gate(one, { plans, load, onRefused: (plan) => watch.shed(plan) });
  const sockets = new Sockets(listening);
  return new GrpcServer({ server, sockets, watch, health, load, address: hostAndPort(host, port) });
}

/** Codes that say more about the server than about the call. */
const serverFaults: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "INTERNAL",
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "DATA_LOSS",
] satisfies Code[]);

interface GrpcServerParts {
  readonly server: Server;
  readonly sockets: Sockets;
  readonly watch: CallWatch;
  readonly health: HealthService;
  readonly load: ServerLoad;
  readonly address: string;
}

class GrpcServer implements RpcServer {
  readonly address: string;
  readonly health: HealthService;
  readonly #server: Server;
  readonly #sockets: Sockets;
  readonly #watch: CallWatch;
  readonly #load: ServerLoad;
  #stopped: Promise<void> | undefined;

  constructor({ server, sockets, watch, health, load, address }: GrpcServerParts) {
    this.health = health;
    this.#server = server;
    this.#sockets = sockets;
    this.#watch = watch;
    this.#load = load;
    this.address = address;
  }

  get stats(): ServerStats {
    return this.#load.stats;
  }

  configure(overload: OverloadOptions): void {
    this.#load.configure(overload);
  }

  async drain(signal: AbortSignal): Promise<void> {
    this.health.setAll(false);
    this.#watch.drain();
    this.#stopped ??= new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
    using _ended = this.#sockets.cutEnded();
    const force = (): void => {
      this.#watch.endAll();
      // So that those who wait for their turn are told, too.
      this.#load.beginAll();
      // One turn, so that the last statuses leave before the connections are cut.
      setImmediate(() => {
        this.#server.forceShutdown();
        this.#sockets.cutAll();
      });
    };
    if (signal.aborted) force();
    signal.addEventListener("abort", force, { once: true });
    await this.#stopped;
    signal.removeEventListener("abort", force);
    this.#load[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(AbortSignal.timeout(1_000));
  }
}

function addService(
  server: Server,
  { service, handlers }: ServiceImplementation,
  options: ServeOptions,
): readonly MethodPlan[] {
  const plans: MethodPlan[] = [];
  const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const plan = planOf(method, handlers.get(method.localName));
    plans.push(plan);
    // The first call would pay for compiling the rules otherwise, and a rule that does not compile is found now.
    if (plan.governed) compileRules(method.input);
    definition[method.name] = {
      path: `/${plan.name}`,
      requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
      responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
      // Bytes in, bytes out: messages are decoded once the caller is known, and bad ones answered as bad input.
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    implementation[method.name] = serve(plan, options);
  }
  server.addService(definition, implementation);
  return plans;
}

function bind(server: Server, host: string, port: number): Promise<number> {
  // It would print on standard error what it tells us too.
  setLogVerbosity(logVerbosity.NONE);
  return new Promise((resolve, reject) => {
    const address = hostAndPort(host, port);
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) return resolve(bound);
      reject(new WeftError("FAILED_PRECONDITION", `can't listen on ${address}: ${error.message}`, { cause: error }));
    });
  });
}
