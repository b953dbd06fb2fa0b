import { describeBackend } from "@weft/native/testing";
import { describePubSubConformance } from "@weft/pubsub/conformance";
import { brokerSettings, openFixture } from "./fixture.ts";

describeBackend("kafka", (server) => describePubSubConformance("kafka", () => openFixture(server().url)), {
  settings: brokerSettings,
});
