import { describeLaws } from "@weft/kit/testing";
import type { SecretsFixture } from "./fixture.ts";
import { laws } from "./laws.ts";

export type { SecretsFixture } from "./fixture.ts";

/** Tests every law of secrets; `open` makes a new, empty store each time. */
export function describeSecretsConformance(name: string, open: () => Promise<SecretsFixture>): void {
  describeLaws(`secrets: ${name}`, laws, open);
}
