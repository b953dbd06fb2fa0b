import { describeBackend } from "@weft/native/testing";
import { describeFilterModel, describeSearchConformance } from "@weft/search/conformance";
import { openFixture } from "./fixture.ts";

describeBackend("elasticsearch", (server) => {
  describeSearchConformance("elasticsearch", () => openFixture(server().port));
  describeFilterModel("elasticsearch", () => openFixture(server().port), 25);
});
