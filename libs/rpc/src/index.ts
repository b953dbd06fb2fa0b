export type { CallContext, CallOptions } from "./context.ts";
export type { Transport } from "./transport.ts";
export type { Caller, Client, Handler, Handlers } from "./types.ts";
