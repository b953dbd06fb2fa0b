import { describeLaws } from "@weft/kit/testing";
import type { SqlFixture } from "./fixture.ts";
import { sqlLaws } from "./laws.ts";

export type { OpenOptions, SqlFixture } from "./fixture.ts";
export { sqlLaws } from "./laws.ts";
export { sqlOperations } from "./operations.ts";

/** Checks an adapter: each law on a new fixture. */
export function describeSqlConformance(name: string, open: () => Promise<SqlFixture>): void {
  describeLaws(`${name} keeps the laws of sql`, sqlLaws, open);
}
