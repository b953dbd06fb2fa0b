import { describeBackend } from "@weft/native/testing";
import { describeFilterModel, describeSearchConformance, searchOperations } from "@weft/search/conformance";
import { beforeAll } from "vitest";
import { openFixture } from "./fixture.ts";

describeBackend("elasticsearch", (server) => {
  // A server just started takes seconds for its first requests, which would be the time that laws give it.
  beforeAll(async () => {
    await using fixture = await openFixture(server().port);
    const engine = await fixture.open();
    for (let round = 0; round < 20; round += 1) for (const { run } of searchOperations) await run(engine);
  });
  describeSearchConformance("elasticsearch", () => openFixture(server().port));
  describeFilterModel("elasticsearch", () => openFixture(server().port), 25);
});
