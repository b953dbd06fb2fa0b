export { contestants } from "./contestants.ts";
export { scenarios } from "./scenarios.ts";
export { type Report, type Scenario, simulate } from "./simulate.ts";
