import { describePubSubConformance } from "@weft/pubsub/conformance";
import { openFixture } from "./fixture.ts";

describePubSubConformance("embedded", openFixture);
