export type { CallsReport } from "./admin.ts";
export type { TargetStatus } from "./mesh.ts";
export { prepareDataDir, type ProcessConfig, readConfig, type ReadConfigOptions } from "./config.ts";
export { follow, type FollowOptions } from "./follow.ts";
export type { Listener, ServiceHost, ServiceParts } from "./host.ts";
export type { ReadyMessage } from "./process-events.ts";
export { runService, type ServiceOptions } from "./run.ts";
export { blockUrlsOf, type CommonConfig, commonSettings, foreignNames, processNames } from "./settings.ts";
