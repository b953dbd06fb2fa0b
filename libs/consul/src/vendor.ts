import type { EventEmitter } from "node:events";
import type { Agent } from "node:http";
import Client from "consul";
import { WeftError } from "@weft/kit";

/** A request as papi takes it, the HTTP client under `consul`. */
export interface VendorRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** How a body is encoded. */
  readonly type: "json";
  readonly body?: unknown;
  /** Emits `cancel` to abort the request. */
  readonly ctx: EventEmitter;
  /** Instead of the client's. */
  readonly agent?: Agent;
}

export interface VendorResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Decoded as the content type says. */
  readonly body?: unknown;
}

/**
 * The one door through which all methods of the client go. Those themselves drop what we need: the index of an answer,
 * a service's weights, `replace-existing-checks`; and their types promise what a transaction doesn't take.
 */
export interface Requests {
  /** Rejects for statuses other than 2xx, see {@link responseOf}. */
  _request(request: VendorRequest): Promise<VendorResponse>;
}

/** The client for an agent. */
export function openClient(options: { host: string; port: number; secure: boolean; agent: Agent }): Requests {
  const client: object = new Client(options);
  if (isRequests(client)) return client;
  throw new WeftError("INTERNAL", "this version of the package consul has no _request");
}

function isRequests(client: object): client is Requests {
  return "_request" in client && typeof client._request === "function";
}

/** The response that an error of the client stands for; undefined when there was none. */
export function responseOf(error: unknown): VendorResponse | undefined {
  if (!isKind(error, "isResponse") || !("response" in error)) return undefined;
  return isResponse(error.response) ? error.response : undefined;
}

function isResponse(value: unknown): value is VendorResponse {
  return typeof value === "object" && value !== null && "statusCode" in value && "headers" in value;
}

/** Whether it is the kind of error that papi marks so: an answer with an error's status, an abort, a body it can't read. */
export function isKind(error: unknown, mark: "isResponse" | "isAbort" | "isCodec"): error is Error {
  return error instanceof Error && mark in error;
}
