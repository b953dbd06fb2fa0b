import { describeLaws } from "@weft/kit/testing";
import type { ConfigurationFixture } from "./fixture.ts";
import { laws } from "./laws.ts";

export type { ConfigurationFixture } from "./fixture.ts";
export { configurationOperations } from "./operations.ts";

/** Tests every law of configuration; `open` makes a new, empty store each time. */
export function describeConfigurationConformance(name: string, open: () => Promise<ConfigurationFixture>): void {
  describeLaws(`configuration: ${name}`, laws, open);
}
