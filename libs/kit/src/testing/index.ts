export { describeLaws, describeMutants, type Law, type Mutant } from "./laws.ts";
export { Recorder, within } from "./wait.ts";
export { startProcess, type TestProcess } from "./process.ts";
