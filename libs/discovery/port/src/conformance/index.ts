import { describeLaws } from "@weft/kit/testing";
import type { DiscoveryFixture } from "./fixture.ts";
import { laws } from "./laws.ts";

export type { DiscoveryFixture } from "./fixture.ts";
export { discoveryOperations } from "./operations.ts";

/** Tests every law of discovery; `open` makes a new, empty registry each time. */
export function describeDiscoveryConformance(name: string, open: () => Promise<DiscoveryFixture>): void {
  describeLaws(`discovery: ${name}`, laws, open);
}
