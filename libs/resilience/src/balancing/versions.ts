import { hashText, unitOf } from "./hash.ts";

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

/** Which version a call goes to. */
export class Versions {
  readonly #routes: readonly RouteOptions[];
  readonly #shares: readonly { readonly version: string; readonly upTo: number }[];
  /** Those that calls are sent to by a route or a share. */
  readonly named: ReadonlySet<string>;
  /** Whether there is nothing to decide. */
  readonly isEmpty: boolean;

  constructor(split: SplitOptions = {}, routes: readonly RouteOptions[] = []) {
    this.#routes = routes.map((route) => ({ ...route, header: route.header.toLowerCase() }));
    let upTo = 0;
    this.#shares = Object.keys(split)
      .sort()
      .map((version) => ({ version, upTo: (upTo += (split[version] ?? 0) / 100) }));
    const shared = this.#shares.filter(({ version }) => (split[version] ?? 0) > 0);
    this.named = new Set([...shared, ...this.#routes].map(({ version }) => version));
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

  /**
   * The version whose share the call falls into; undefined is the rest. Calls with one key get one version, and a share
   * that grows at the end of the list takes keys from the rest alone.
   */
  share(key: string | undefined, random: () => number): string | undefined {
    const at = key === undefined ? random() : unitOf(hashText(key, splitSeed));
    return this.#shares.find(({ upTo }) => at < upTo)?.version;
  }
}

/** Another than the balancers', or a share of keys would be a share of instances too. */
const splitSeed = 0x5eed;

function fits({ equals, prefix }: RouteOptions, value: string | undefined): boolean {
  if (value === undefined) return false;
  if (equals !== undefined) return value === equals;
  return prefix === undefined || value.startsWith(prefix);
}
