export { findDebian, unpackPackages } from "./debian.ts";
export { installOnce } from "./install-once.ts";
export { install, type MissingServer, whatIsMissing } from "./install.ts";
export { findJavas, type Java } from "./java.ts";
export { findOnPath, machineOf, type MachineOptions } from "./machine.ts";
export { freePort, freePorts, isTaken } from "./ports.ts";
export { readServerNames, type ServerName, serverNames } from "./recipe.ts";
export { type NativeServer, probeServer, startServer, type StartOptions, stopSignal, usualPort } from "./server.ts";
