import { describeStateModel } from "@weft/state/conformance";
import { openFixture } from "./fixture.ts";

describeStateModel("embedded", openFixture);
