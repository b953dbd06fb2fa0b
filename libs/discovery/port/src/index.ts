export { checkInstance } from "./check.ts";
export type { Discovery, Instance, InstanceList, RegisterOptions, Registration } from "./discovery.ts";
