export { describeLaws, describeMutants, type Law, type Mutant } from "./laws.ts";
export {
  describeFaults,
  faultLaws,
  type FaultFixture,
  type FaultOptions,
  type FaultyServer,
  type Operation,
} from "./faults.ts";
export { openProxy, type FaultProxy } from "./proxy.ts";
export { Recorder, Stopwatch, within } from "./wait.ts";
export { startProcess, type TestProcess } from "./process.ts";
