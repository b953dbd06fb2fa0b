import { describeLaws } from "@weft/kit/testing";
import type { LockFixture } from "./fixture.ts";
import { laws } from "./laws.ts";

export type { LockFixture } from "./fixture.ts";
export { lockOperations } from "./operations.ts";

/** Tests every law of locks; `open` makes a new store without locks each time. */
export function describeLockConformance(name: string, open: () => Promise<LockFixture>): void {
  describeLaws(`locks: ${name}`, laws, open);
}
