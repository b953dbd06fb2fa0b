export { type Scenario, scenarios } from "./scenarios.ts";
export { type Outcome, type SurvivalOptions, survive } from "./survival.ts";
export { World, type WorldOptions } from "./world.ts";
