import {
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { WeftError } from "@weft/kit";
import type { Priority } from "@weft/resilience";
import { priorityKey, priorityOf } from "../wire/priority.ts";
import { refusedKey, statusOf } from "../wire/status.ts";
import type { ServerLoad } from "./load.ts";
import type { MethodPlan } from "./plan.ts";

/** What a gate needs to know. */
export interface GateOptions {
  /** By path (`/weft.user.v1.UserService/GetUser`); all others pass: health, reflection, what is not known. */
  readonly plans: ReadonlyMap<string, MethodPlan>;
  readonly load: ServerLoad;
  readonly onRefused: (plan: MethodPlan) => void;
}

/**
 * Stands before grpc-js and takes calls or turns them down. Nothing of a call that is turned down has been looked at by
 * then but its headers: no metadata is made, no timer set and no message read, and that is what makes a refusal cost a
 * fraction of a call.
 */
export function gate(server: Http2Server, { plans, load, onRefused }: GateOptions): void {
  const listeners = server.listeners("stream");
  // Calls that are taken would be answered by nobody.
  if (listeners.length === 0) throw new Error("grpc-js has changed: it does not listen for streams any more");
  server.removeAllListeners("stream");
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number) => {
    const plan = plans.get(headers[":path"] ?? "");
    if (plan !== undefined) {
      const priority = priorityOf(headers[priorityKey]) ?? plan.priority;
      if (!load.take(plan, priority)) {
        refuse(stream, priority, headers);
        return onRefused(plan);
      }
      if (plan.method.methodKind === "unary") stream.once("close", () => load.ended(priority));
    }
    for (const listener of listeners) Reflect.apply(listener, server, [stream, headers, flags]);
  });
}

function refuse(stream: ServerHttp2Stream, priority: Priority, headers: IncomingHttpHeaders): void {
  // A caller that is gone is told nothing, and neither is anybody else.
  stream.on("error", () => undefined);
  if (stream.destroyed || stream.closed) return;
  const refusal = nextRefusal(priority);
  const traceId = traceIdOf(headers["traceparent"]);
  stream.respond(traceId === undefined ? refusal : { ...refusal, "x-trace-id": traceId }, { endStream: true });
  stream.resume();
}

/** Milliseconds after which a call may be tried again, on average. Whoever nobody waits for may come much later. */
const retryAfterMs: Readonly<Record<Priority, number>> = { critical: 100, interactive: 250, batch: 2_000 };

/** Waits that differ from call to call, so that those refused together do not come back together. */
const jitters = [0.5, 0.625, 0.75, 0.875, 1, 1.125, 1.25, 1.375, 1.5] as const;

/** The headers of refusals, made once, and given out in turn. */
const refusals: Partial<Record<Priority, readonly OutgoingHttpHeaders[]>> = {};
let given = 0;

function nextRefusal(priority: Priority): OutgoingHttpHeaders {
  given = (given + 1) % jitters.length;
  return (refusals[priority] ??= refusalsOf(priority))[given] ?? {};
}

function refusalsOf(priority: Priority): readonly OutgoingHttpHeaders[] {
  return jitters.map((jitter) => {
    const error = new WeftError("RESOURCE_EXHAUSTED", "the server has more to do than it can", {
      retryAfterMs: retryAfterMs[priority] * jitter,
    });
    const { code, details, metadata } = statusOf(error);
    metadata.set(refusedKey, "1");
    return {
      ":status": 200,
      "content-type": "application/grpc+proto",
      "grpc-status": code,
      "grpc-message": encodeURI(details),
      ...metadata.toHttp2Headers(),
    };
  });
}

/** The id in a `traceparent` of W3C's form. */
function traceIdOf(traceparent: string | readonly string[] | undefined): string | undefined {
  return typeof traceparent === "string" ? /^00-([0-9a-f]{32})-/.exec(traceparent)?.[1] : undefined;
}
