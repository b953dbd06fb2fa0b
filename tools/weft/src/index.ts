export { runCli } from "./cli.ts";
export { type MeshFile, type MeshProcess, readMeshFile } from "./mesh-file.ts";
export type { ProcessStatus } from "./status.ts";
export type { Output, Terminal } from "./terminal.ts";
export { upCommand, type UpParts } from "./up/command.ts";
export { knownServices, type ProcessSpec, type ServiceSpec } from "./up/processes.ts";
