export { createClient } from "./client.ts";
export { openTransport, type TransportOptions } from "./client/open.ts";
export type { CallContext, CallOptions } from "./context.ts";
export { type AnyHandler, implement, type ServiceImplementation } from "./implementation.ts";
export type { ServerHealth } from "./server/health.ts";
export { openServer, type RpcServer, type ServerOptions } from "./server/open.ts";
export type { CallInfo, CallLog } from "./server/watch.ts";
export type { Transport } from "./transport.ts";
export type { Caller, Client, Handler, Handlers } from "./types.ts";
