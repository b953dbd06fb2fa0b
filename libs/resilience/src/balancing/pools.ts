import type { Balancer, PickRequest } from "./balancer.ts";
import type { Endpoint } from "./endpoint.ts";
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

/** Who may take calls, cut by version and zone, with a balancer for each part. */
export class Pools {
  readonly #options: PoolsOptions;
  /** By name of the part: they keep their turns while instances come and go. */
  #balancers = new Map<string, Balancer>();
  #all: Pool | undefined;
  #rest: Pool | undefined;
  #byVersion = new Map<string, Pool>();

  constructor(options: PoolsOptions) {
    this.#options = options;
  }

  /** Versions that calls are sent to and that nobody has. */
  get missing(): readonly string[] {
    return [...this.#options.versions.named].filter((version) => !this.#byVersion.has(version));
  }

  /** @param isPanic then calls do not stay in their zone */
  update(endpoints: readonly Endpoint[], isPanic: boolean, nowMs: number): void {
    const used = new Map<string, Balancer>();
    const { versions, balancing } = this.#options;
    const balancerOf = (name: string, members: readonly Endpoint[]): Balancer => {
      const balancer = this.#balancers.get(name) ?? makeBalancer(this.#options);
      balancer.update(members, nowMs);
      used.set(name, balancer);
      return balancer;
    };
    const poolOf = (name: string, members: readonly Endpoint[]): Pool | undefined => {
      if (members.length === 0) return undefined;
      const usesZones = !isPanic && !isByKey(balancing.policy) && members.length >= balancing.zoneMinInstances;
      const shares: readonly ZoneShare[] = usesZones ? (zoneShares(members, this.#options.zone) ?? []) : [];
      const zones = shares.map((share) => ({
        balancer: balancerOf(`${name}|${share.endpoints[0]?.facts.zone ?? ""}`, share.endpoints),
        upTo: share.upTo,
      }));
      return { balancer: balancerOf(name, members), zones };
    };
    this.#all = poolOf("all", endpoints);
    this.#byVersion = new Map();
    for (const version of versions.named) {
      const pool = poolOf(
        `version ${version}`,
        endpoints.filter((endpoint) => endpoint.facts.version === version),
      );
      if (pool !== undefined) this.#byVersion.set(version, pool);
    }
    this.#rest = poolOf(
      "rest",
      versions.isSplit ? endpoints.filter(({ facts }) => !versions.isShared(facts.version)) : [],
    );
    this.#balancers = used;
  }

  /** Undefined when nobody may take calls. */
  pick(
    request: PickRequest,
    header: ((name: string) => string | undefined) | undefined,
    avoid: ReadonlySet<Endpoint> | undefined,
  ): Endpoint | undefined {
    if (this.#all === undefined) return undefined;
    const pool = this.#poolFor(request.key, header) ?? this.#all;
    const endpoint = pool.balancer.pick(request, avoid);
    // A call that failed once is better off anywhere else.
    if (avoid !== undefined && avoid.size > 0) {
      return avoid.has(endpoint) ? this.#all.balancer.pick(request, avoid) : endpoint;
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
    if (version !== undefined) return this.#byVersion.get(version);
    if (!versions.isSplit) return undefined;
    const shared = versions.share(key, random);
    return shared === undefined ? this.#rest : this.#byVersion.get(shared);
  }
}
