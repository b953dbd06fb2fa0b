import { hashText, mixHashes, unitOf } from "./hash.ts";

/**
 * The section `split` of a target's policy: the share of calls that a version takes, in percent. What is missing to 100
 * goes to the instances of all other versions. `{"2.0.0": 10}` is a canary, and with `{"2.0.0": 0}` only routes lead there.
 */
export type SplitOptions = Readonly<Record<string, number>>;

/**
 * One entry of the section `routes`: calls with the header go to the version. Of `equals` and `prefix` at most one; with
 * neither, the header only has to be there. The first route that fits decides, before any split. Calls to a version of which
 * no instance may take calls go to all the others.
 */
export interface RouteOptions {
  /** Case does not matter. */
  readonly header: string;
  readonly equals?: string;
  readonly prefix?: string;
  readonly version: string;
}

/** A share of calls, and what draws for it. */
interface Share {
  /** Undefined for the rest. */
  readonly version: string | undefined;
  /** In [0, 1]. */
  readonly share: number;
  readonly seed: number;
}

/**
 * Which version a call goes to. Calls with a key are shared out by weighted rendezvous hashing, in which the rest takes
 * part as if it were a version: each draws for the key, and the draw that is lowest for its share has it. Shares that lie
 * one after the other on a line would move every key of those behind one that grows.
 *
 * - `V1` each version gets its share of calls, with or without keys
 * - `V2` calls with one key get one version, whatever chance says
 * - `V3` a key moves only to a version whose share grew by a larger factor than that of the one it had. So a share that
 *   grows while no other does keeps its keys, and none moves between two others
 * - `V4` as one share grows, the others lose no larger a part of their keys to it than it grew by: of a canary's users, at
 *   most 10 % when another canary gets 10 % more of the calls. With three versions and a rest it can't be none, for any rule
 *   that goes by the present shares alone
 */
export class Versions {
  readonly #routes: readonly RouteOptions[];
  readonly #shares: readonly Share[];
  /** What the shares leave. */
  readonly #rest: Share;
  /** Those that calls are sent to by a route or a share. */
  readonly named: ReadonlySet<string>;
  /** Whether there is nothing to decide. */
  readonly isEmpty: boolean;

  constructor(split: SplitOptions = {}, routes: readonly RouteOptions[] = []) {
    this.#routes = routes.map((route) => ({ ...route, header: route.header.toLowerCase() }));
    this.#shares = Object.entries(split)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([version, percent]) => ({ version, share: percent / 100, seed: hashText(version, splitSeed) }));
    const shared = this.#shares.reduce((sum, { share }) => sum + share, 0);
    this.#rest = { version: undefined, share: Math.max(0, 1 - shared), seed: splitSeed };
    this.named = new Set([
      ...this.#shares.filter(({ share }) => share > 0).flatMap(({ version }) => version ?? []),
      ...this.#routes.map(({ version }) => version),
    ]);
    this.isEmpty = this.#shares.length === 0 && this.#routes.length === 0;
  }

  /** Whether calls that no route takes are shared out. */
  get isSplit(): boolean {
    return this.#shares.length > 0;
  }

  /** Whether a version has a share of its own, be it none. */
  isShared(version: string | undefined): boolean {
    return this.#shares.some((share) => share.version === version);
  }

  /** The version that a route sends the call to. */
  route(header: (name: string) => string | undefined): string | undefined {
    return this.#routes.find((route) => fits(route, header(route.header)))?.version;
  }

  /** The version whose share the call falls into; undefined is the rest. */
  share(key: string | undefined, random: () => number): string | undefined {
    return key === undefined ? this.#byChance(random()) : this.#byKey(hashText(key, splitSeed));
  }

  #byChance(at: number): string | undefined {
    let upTo = 0;
    return this.#shares.find(({ share }) => at < (upTo += share))?.version;
  }

  #byKey(key: number): string | undefined {
    let { version } = this.#rest;
    let lowest = drawOf(this.#rest, key);
    for (const share of this.#shares) {
      const draw = drawOf(share, key);
      if (draw >= lowest) continue;
      lowest = draw;
      ({ version } = share);
    }
    return version;
  }
}

/** Another than the balancers', or a share of keys would be a share of instances too. */
const splitSeed = 0x5eed;

/** Exponentially distributed, at the rate of the share: the lowest of several is each one's as often as its share says. */
function drawOf({ share, seed }: Share, key: number): number {
  return -Math.log(unitOf(mixHashes(seed, key))) / share;
}

function fits({ equals, prefix }: RouteOptions, value: string | undefined): boolean {
  if (value === undefined) return false;
  if (equals !== undefined) return value === equals;
  return prefix === undefined || value.startsWith(prefix);
}
