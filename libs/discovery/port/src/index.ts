export type { Discovery, Instance, InstanceList, RegisterOptions, Registration } from "./discovery.ts";
