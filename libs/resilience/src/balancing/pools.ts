import type { Balancer, PickRequest } from "./balancer.ts";
import type { Endpoint, EndpointFacts } from "./endpoint.ts";
import { type FullBalancing, isByKey } from "./options.ts";
import { makeBalancer } from "./policies.ts";
import type { Versions } from "./versions.ts";
import { type ZoneShare, zoneShares } from "./zones.ts";

/** Instances among which a call is balanced: all of them, or those of a version. */
interface Pool {
  readonly balancer: Balancer;
  /** Its zones, where they matter. */
  readonly zones: readonly { readonly balancer: Balancer; readonly upTo: number }[];
}

export interface PoolsOptions {
  readonly random: () => number;
  readonly balancing: FullBalancing;
  readonly versions: Versions;
  /** The caller's. */
  readonly zone?: string | undefined;
}

/** The parts that are no single version: calls to any version, and those that no share takes. */
const [anyVersion, rest] = ["any version", "rest"] as const;

/**
 * Who may take calls, cut by version and zone, with a balancer for each part. In a large cluster each part has a subset of
 * its own: one of all instances would have few of a version that is new, or none, and those few would get all of it.
 */
export class Pools {
  readonly #options: PoolsOptions;
  /** By name of the part: they keep their turns while instances come and go. */
  #balancers = new Map<string, Balancer>();
  /** Ids of the instances for each part, by its name. */
  #drawn = new Map<string, ReadonlySet<string>>();
  /** Parts that have somebody to take a call. */
  #pools = new Map<string, Pool>();
  /** Of whatever part. */
  #all: Balancer | undefined;

  constructor(options: PoolsOptions) {
    this.#options = options;
  }

  /** Versions that calls are sent to and that nobody has. */
  get missing(): readonly string[] {
    return [...this.#options.versions.named].filter((version) => !this.#pools.has(partOf(version)));
  }

  /** Draws the instances for each part from the list, as `subset` does. Returns all that were drawn, by their ids. */
  draw(
    listed: readonly EndpointFacts[],
    subset: (from: readonly EndpointFacts[]) => readonly EndpointFacts[],
  ): ReadonlyMap<string, EndpointFacts> {
    const { versions } = this.#options;
    const all = new Map<string, EndpointFacts>();
    const drawFor = (part: string, from: readonly EndpointFacts[]): void => {
      const drawn = subset(from);
      this.#drawn.set(part, new Set(drawn.map(({ id }) => id)));
      for (const facts of drawn) all.set(facts.id, facts);
    };
    drawFor(anyVersion, listed);
    const others = ({ version }: EndpointFacts): boolean => !versions.isShared(version);
    if (versions.isSplit) drawFor(rest, listed.filter(others));
    for (const named of versions.named) {
      drawFor(
        partOf(named),
        listed.filter(({ version }) => version === named),
      );
    }
    return all;
  }

  /** @param isPanic then calls do not stay in their zone */
  update(endpoints: readonly Endpoint[], isPanic: boolean, nowMs: number): void {
    const used = new Map<string, Balancer>();
    const { balancing } = this.#options;
    const balancerOf = (name: string, members: readonly Endpoint[]): Balancer => {
      const balancer = this.#balancers.get(name) ?? makeBalancer(this.#options);
      balancer.update(members, nowMs);
      used.set(name, balancer);
      return balancer;
    };
    this.#pools = new Map();
    for (const [part, ids] of this.#drawn) {
      const members = endpoints.filter(({ facts }) => ids.has(facts.id));
      if (members.length === 0) continue;
      const usesZones = !isPanic && !isByKey(balancing.policy) && members.length >= balancing.zoneMinInstances;
      const shares: readonly ZoneShare[] = usesZones ? (zoneShares(members, this.#options.zone) ?? []) : [];
      const zones = shares.map((share) => ({
        balancer: balancerOf(`${part}|${share.endpoints[0]?.facts.zone ?? ""}`, share.endpoints),
        upTo: share.upTo,
      }));
      this.#pools.set(part, { balancer: balancerOf(part, members), zones });
    }
    this.#all = endpoints.length === 0 ? undefined : balancerOf("all", endpoints);
    this.#balancers = used;
  }

  /** Undefined when nobody may take calls. */
  pick(
    request: PickRequest,
    header: ((name: string) => string | undefined) | undefined,
    avoid: ReadonlySet<Endpoint> | undefined,
  ): Endpoint | undefined {
    if (this.#all === undefined) return undefined;
    const pool = this.#poolFor(request.key, header) ?? this.#pools.get(anyVersion);
    if (pool === undefined) return this.#all.pick(request, avoid);
    const endpoint = pool.balancer.pick(request, avoid);
    // A call that failed once is better off anywhere else.
    if (avoid !== undefined && avoid.size > 0) {
      return avoid.has(endpoint) ? this.#all.pick(request, avoid) : endpoint;
    }
    return pool.zones.length === 0 ? endpoint : this.#inZone(pool.zones, request, endpoint);
  }

  /** Whom the zone that the call falls to has for it, unless nobody answers there: it may be cut off as a whole. */
  #inZone(zones: Pool["zones"], request: PickRequest, anybody: Endpoint): Endpoint {
    const at = this.#options.random();
    const near = zones.find(({ upTo }) => at < upTo)?.balancer.pick(request) ?? anybody;
    return near.isOverdueAt(request.nowMs) ? anybody : near;
  }

  #poolFor(key: string | undefined, header: ((name: string) => string | undefined) | undefined): Pool | undefined {
    const { versions, random } = this.#options;
    if (versions.isEmpty) return undefined;
    const version = header === undefined ? undefined : versions.route(header);
    if (version !== undefined) return this.#pools.get(partOf(version));
    if (!versions.isSplit) return undefined;
    const shared = versions.share(key, random);
    return this.#pools.get(shared === undefined ? rest : partOf(shared));
  }
}

function partOf(version: string): string {
  return `version ${version}`;
}
