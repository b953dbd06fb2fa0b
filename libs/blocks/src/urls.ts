import type { Secret } from "@weft/kit";

/** Which adapter each block uses: the scheme of its URL says. One that may hold a password is a secret. */
export interface BlockUrls {
  /** `embedded:` or `consul://[:token@]host:port`. */
  readonly discovery: string | Secret;
  /** `embedded:` or `kafka://host:port[,host:port…]`. */
  readonly pubsub: string | Secret;
  /** `embedded:` or `redis://host:port`. */
  readonly state: string | Secret;
  /** `embedded:`, `redis://host:port` or `consul://host:port`. */
  readonly lock: string | Secret;
  /** `embedded:` or `elasticsearch://host:port`. */
  readonly search: string | Secret;
  /** `embedded:` or `postgres://user:password@host:port/database`. */
  readonly sql: string | Secret;
  /** `embedded:` or `consul://host:port`. */
  readonly configuration: string | Secret;
  /** `env:` (`WEFT_SECRET_…` variables) or `file:///folder` (a file each). */
  readonly secrets: string | Secret;
}

/** A set of URLs that goes together. */
export type Profile = "embedded" | "stack";

/** The URLs of a profile, for what no setting says otherwise. `stack` means each server on its usual port of this machine. */
export function blockUrlDefaults(profile: Profile): Readonly<Record<keyof BlockUrls, string>> {
  return profile === "embedded" ? embedded : stack;
}

const embedded = {
  discovery: "embedded:",
  pubsub: "embedded:",
  state: "embedded:",
  lock: "embedded:",
  search: "embedded:",
  sql: "embedded:",
  configuration: "embedded:",
  secrets: "env:",
} as const satisfies BlockUrls;

const stack = {
  discovery: "consul://127.0.0.1:8500",
  pubsub: "kafka://127.0.0.1:9092",
  state: "redis://127.0.0.1:6379",
  lock: "redis://127.0.0.1:6379",
  search: "elasticsearch://127.0.0.1:9200",
  sql: "postgres://user@127.0.0.1:5432/weft_user",
  configuration: "consul://127.0.0.1:8500",
  secrets: "env:",
} as const satisfies BlockUrls;
