import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { blockUrlDefaults, type BlockUrls } from "@weft/blocks";
import type { Random } from "@weft/chaos-tests";
import { Secret } from "@weft/kit";
import { type FaultProxy, openProxy } from "@weft/kit/testing";
import { balancingDefaults, type BalancingPolicy, type CallPolicies } from "@weft/resilience";
import { freePorts, type NativeServer, type ServerName, serverNames, startServer } from "@weft/native";
import { ensureDatabase } from "@weft/sql-postgres";
import {
  cleanEnvironment,
  data,
  environmentOf,
  packagesIndex,
  rest,
  type ServerUrls,
  urlsOn,
} from "@weft/system-tests";
import { type CallProxy, openCallProxy } from "./call-proxy.ts";
import { callerHeader } from "./callers.ts";
import { Replica } from "./replica.ts";

/** The services that callers need, three replicas of each. */
export const crowded = ["user", "search"] as const;
const replicasEach = 3;
/** The one that things are put before. */
export const lastReplica = replicasEach;
/** So that one can be restarted. */
const gatewayCount = 2;

/** On what the mesh runs, and the servers that this takes. */
const serversOf = {
  embedded: ["postgres"],
  /** Embedded, but for discovery and configuration. */
  consul: ["postgres", "consul"],
  stack: serverNames,
} as const satisfies Readonly<Record<string, readonly ServerName[]>>;

export type SurvivalProfile = keyof typeof serversOf;

export function isSurvivalProfile(name: string): name is SurvivalProfile {
  return Object.hasOwn(serversOf, name);
}

export interface WorldOptions {
  readonly profile: SurvivalProfile;
  /** By which every process chooses whom it calls. Default `p2c-ewma`, as without a word. */
  readonly policy?: BalancingPolicy;
  /** For everything: data, and what the processes say. */
  readonly folder: string;
  readonly random: Random;
  /** Ends the start half-way. */
  readonly signal: AbortSignal;
}

/** What stands before the last replica of each crowded service. */
export type Before =
  | { readonly kind: "nothing" }
  | { readonly kind: "link"; readonly proxies: readonly FaultProxy[] }
  | { readonly kind: "calls"; readonly proxies: readonly CallProxy[] };

const startTimeoutMs = 300_000;

/** The mesh as processes of its own, on servers of its own. Disposing ends all of it and leaves the folder. */
export class World implements AsyncDisposable {
  readonly #options: WorldOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #replicas: Replica[] = [];
  #proxies = new AsyncDisposableStack();
  #before: Before = { kind: "nothing" };
  #urls: readonly string[] = [];
  #token = "";
  #ids: readonly string[] = [];

  private constructor(options: WorldOptions) {
    this.#options = options;
  }

  /** Resolves when everything answers and holds its data. */
  static async open(options: WorldOptions): Promise<World> {
    const world = new World(options);
    try {
      await world.#start();
      await world.#fill();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `http://127.0.0.1:port` of each gateway; they stay the same. */
  get urls(): readonly string[] {
    return this.#urls;
  }

  /** The administrator's. */
  get token(): string {
    return this.#token;
  }

  /** Users that are there. */
  get ids(): readonly string[] {
    return this.#ids;
  }

  get gateways(): readonly Replica[] {
    return this.#replicas.filter(({ service }) => service === "gateway");
  }

  /** Every process of the mesh, the gateways first. */
  get replicas(): readonly Replica[] {
    return this.#replicas;
  }

  get before(): Before {
    return this.#before;
  }

  /** From 1. */
  replica(service: string, number: number): Replica {
    const found = this.#replicas.find(({ name }) => name === `${service}-${number}`);
    if (found === undefined) throw new Error(`there is no ${service}-${number}`);
    return found;
  }

  /** Throws when a process has ended that nobody ended. */
  async check(): Promise<void> {
    const gone = this.#replicas.filter(({ runs }) => !runs).map(({ name }) => name);
    if (gone.length > 0) throw new Error(`ended by themselves: ${gone.join(", ")}`);
  }

  /** Puts something before the last replica of each crowded service, which starts anew for it. */
  async place(kind: Before["kind"]): Promise<Before> {
    if (kind === this.#before.kind) return this.#before;
    const victims = crowded.map((service) => this.replica(service, lastReplica));
    await Promise.all(victims.map((victim) => victim.stop()));
    await this.#proxies.disposeAsync();
    this.#proxies = new AsyncDisposableStack();
    this.#before = { kind: "nothing" };
    if (kind === "nothing") await Promise.all(victims.map((victim) => victim.start()));
    else if (kind === "link") this.#before = { kind, proxies: await this.#startBehind(victims, this.#link) };
    else this.#before = { kind, proxies: await this.#startBehind(victims, this.#callProxy) };
    return this.#before;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica[Symbol.asyncDispose]()));
    await this.#proxies.disposeAsync();
    await this.#stack.disposeAsync();
  }

  readonly #link = (target: number, port: number): Promise<FaultProxy> =>
    openProxy(target, port, () => this.#options.random.next());

  readonly #callProxy = (target: number, port: number): Promise<CallProxy> =>
    openCallProxy({ target, port, random: () => this.#options.random.next() });

  async #startBehind<P extends AsyncDisposable>(
    victims: readonly Replica[],
    open: (target: number, port: number) => Promise<P>,
  ): Promise<P[]> {
    const proxies: P[] = [];
    for (const victim of victims) {
      const [own = 0, advertised = 0] = await freePorts(2);
      proxies.push(this.#proxies.use(await open(own, advertised)));
      await victim.start({ WEFT_GRPC_PORT: String(own), WEFT_ADVERTISE_PORT: String(advertised) });
    }
    return proxies;
  }

  async #start(): Promise<void> {
    const { profile, policy = balancingDefaults.policy, folder, signal } = this.#options;
    const dataDir = join(folder, "mesh");
    await mkdir(dataDir, { mode: 0o700 });
    const servers: Partial<Record<ServerName, NativeServer>> = {};
    for (const name of serversOf[profile]) {
      signal.throwIfAborted();
      servers[name] = this.#stack.use(await startServer(name, { dir: join(folder, name), startTimeoutMs }));
    }
    const urls = blockUrlsOf(Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, server.url])), {
      profile,
      dataDir,
    });
    await ensureDatabase(typeof urls.sql === "string" ? new Secret(urls.sql) : urls.sql);
    const env = {
      ...cleanEnvironment(),
      ...environmentOf(dataDir, urls, profile === "stack" ? "stack" : "embedded"),
      WEFT_USER_ADMIN_TOKEN_FILE: join(dataDir, "admin-token"),
      ...(policy !== balancingDefaults.policy && { WEFT_CALLS: JSON.stringify(callsBy(policy)) }),
    };
    const add = (service: string, number: number, own: Readonly<Record<string, string>> = {}): void =>
      void this.#replicas.push(new Replica({ service, number, env: { ...env, ...own }, logDir: folder }));
    const ports = await freePorts(gatewayCount);
    for (const [at, port] of ports.entries()) add("gateway", at + 1, { WEFT_PORT: String(port) });
    for (const service of crowded) for (let number = 1; number <= replicasEach; number += 1) add(service, number);
    for (const service of ["indexer", "notification"]) add(service, 1);
    this.#urls = ports.map((port) => `http://127.0.0.1:${port}`);
    signal.throwIfAborted();
    await Promise.all(this.#replicas.map((replica) => replica.start()));
    this.#token = (await readFile(join(dataDir, "admin-token"), "utf8")).trim();
  }

  async #fill(): Promise<void> {
    const mesh = { url: this.#urls[0] ?? "", token: this.#token };
    const all = await Promise.all([
      rest(mesh, "/users:import", { body: await data("people.ndjson") }),
      rest(mesh, "/indexes", { body: packagesIndex }),
    ]);
    const load = await rest(mesh, "/indexes/packages/documents:bulk", { body: await data("packages.ndjson") });
    const list = await rest<{ users: readonly { id: string }[] }>(mesh, "/users?pageSize=500");
    for (const { status, body } of [...all, load, list]) {
      if (status >= 300) throw new Error(`the data could not be loaded: ${status} ${JSON.stringify(body)}`);
    }
    this.#ids = list.body.users.map(({ id }) => id);
  }
}

/** Calls to every target; those of one caller belong together, where the policy goes by that. */
function callsBy(policy: BalancingPolicy): CallPolicies {
  return { "*": { balancing: { policy, key: { header: callerHeader } } } };
}

/** @param servers URLs of those that the profile takes */
function blockUrlsOf(
  servers: Partial<ServerUrls>,
  { profile, dataDir }: { readonly profile: SurvivalProfile; readonly dataDir: string },
): BlockUrls {
  // With all five of them, of its type.
  if (profile === "stack") return urlsOn(servers as ServerUrls, dataDir);
  const { postgres: sql = "", consul } = servers;
  const own = { ...blockUrlDefaults("embedded"), sql };
  return consul === undefined ? own : { ...own, discovery: consul, configuration: consul };
}
