import { readFileSync } from "node:fs";
import { join } from "node:path";

/** An event as it went over the wire, and what it says. */
export interface GoldenEvent {
  /** CloudEvents' `type`. */
  readonly type: string;
  /** ProtoJSON by the contract of the version that wrote it. */
  readonly says: Readonly<Record<string, unknown>>;
  readonly data: Uint8Array;
}

/**
 * Whose bytes: those of a version behind, of today's, and of a version ahead. Their contracts are `golden/v0`, `proto/`
 * and `golden/next`.
 */
export type GoldenVersion = "v0" | "v1" | "next";

/**
 * Events of users as processes of a version write them, one life of one user in order. For tests of whoever writes or
 * reads events: `v1` is what is written today, and everybody reads them all.
 *
 * What is recorded stays as it is. When the contract grows, a `v2` joins with rows of what is new; `npm run proto --
 * golden` fills in the bytes of rows that have none.
 */
export function goldenUserEvents(version: GoldenVersion): readonly GoldenEvent[] {
  const text = readFileSync(join(import.meta.dirname, `user-events.${version}.json`), "utf8");
  const rows = JSON.parse(text) as { type: string; says: Record<string, unknown>; hex: string }[];
  return rows.map(({ type, says, hex }) => ({ type, says, data: Uint8Array.from(Buffer.from(hex, "hex")) }));
}
