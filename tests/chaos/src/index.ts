export { type ChaosOptions, type ChaosResult, runChaos } from "./chaos.ts";
export { runInFolder, wholeNumber } from "./command.ts";
export { Random } from "./random.ts";
