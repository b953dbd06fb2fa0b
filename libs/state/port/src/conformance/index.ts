import { describeLaws, type Law } from "@weft/kit/testing";
import { capabilityLaws } from "./capability-laws.ts";
import type { StateFixture } from "./fixture.ts";
import { keyLaws } from "./key-laws.ts";

export type { StateFixture } from "./fixture.ts";
export { describeStateModel } from "./map-model.ts";
export { stateOperations } from "./operations.ts";

/** Every law of `StateStore`, as data: a test can run one of them by itself. */
export const stateLaws: readonly Law<StateFixture>[] = [...keyLaws, ...capabilityLaws];

/** Runs the laws of `StateStore` against an adapter, each on a fixture of its own. */
export function describeStateConformance(name: string, open: () => Promise<StateFixture>): void {
  describeLaws(`state conformance: ${name}`, stateLaws, open);
}
