import { describeFilterModel } from "@weft/search/conformance";
import { openFixture } from "./fixture.ts";

describeFilterModel("embedded", () => openFixture(), 60);
