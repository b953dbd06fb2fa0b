import type { Secret } from "@weft/kit";

/** Which adapter each block uses: the scheme of its URL says. */
export interface BlockUrls {
  /** `embedded:` or `consul://host:port`. */
  readonly discovery: string;
  /** `embedded:` or `kafka://host:port[,host:port…]`. */
  readonly pubsub: string;
  /** `embedded:` or `redis://host:port`. */
  readonly state: string;
  /** `embedded:`, `redis://host:port` or `consul://host:port`. */
  readonly lock: string;
  /** `embedded:` or `elasticsearch://host:port`. */
  readonly search: string;
  /** `embedded:` or `postgres://user:password@host:port/database`. */
  readonly sql: string | Secret;
  /** `embedded:` or `consul://host:port`. */
  readonly configuration: string;
  /** `env:` (`WEFT_SECRET_…` variables) or `file:///folder` (a file each). */
  readonly secrets: string;
}

/** A set of URLs that goes together. */
export type Profile = "embedded" | "stack";

/** The URLs of a profile, for what no setting says otherwise. `stack` means each server on its usual port of this machine. */
export function blockUrlDefaults(profile: Profile): BlockUrls {
  return profile === "embedded" ? embedded : stack;
}

const embedded: BlockUrls = {
  discovery: "embedded:",
  pubsub: "embedded:",
  state: "embedded:",
  lock: "embedded:",
  search: "embedded:",
  sql: "embedded:",
  configuration: "embedded:",
  secrets: "env:",
};

const stack: BlockUrls = {
  discovery: "consul://127.0.0.1:8500",
  pubsub: "kafka://127.0.0.1:9092",
  state: "redis://127.0.0.1:6379",
  lock: "redis://127.0.0.1:6379",
  search: "elasticsearch://127.0.0.1:9200",
  sql: "postgres://user@127.0.0.1:5432/weft_user",
  configuration: "consul://127.0.0.1:8500",
  secrets: "env:",
};
