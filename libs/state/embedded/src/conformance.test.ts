import { describeStateConformance } from "@weft/state/conformance";
import { openFixture } from "./fixture.ts";

describeStateConformance("embedded", openFixture);
