export { type ChaosOptions, type ChaosResult, runChaos } from "./chaos.ts";
export { Random } from "./random.ts";
