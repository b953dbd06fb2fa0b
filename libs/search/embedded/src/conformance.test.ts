import { describeSearchConformance } from "@weft/search/conformance";
import { openFixture } from "./fixture.ts";

describeSearchConformance("embedded", () => openFixture());
