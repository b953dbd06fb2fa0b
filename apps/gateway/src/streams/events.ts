import type { ServerResponse } from "node:http";
import type { DescField, Message } from "@bufbuild/protobuf";
import { type Log, WeftError } from "@weft/kit";
import type { TraceContext } from "@weft/telemetry";
import type { Begin } from "../http/answer.ts";
import { problemOf } from "../http/problem.ts";
import type { Binding } from "../routes/bindings.ts";
import { compileJson, valueOf } from "../transcode/response.ts";
import { write } from "./writer.ts";

/**
 * How long an error may take to have a status of its own, when neither an event has come nor the target's word that it
 * accepts the request, in milliseconds. It says so at once when it is of the mesh; of others nobody knows.
 */
const graceMs = 3000;
/** What a browser waits before it comes back, in milliseconds. */
const retryMs = 1000;

/** Writes one message of a stream as an event. */
export type EventWriter = (message: Message) => string;

/** The event writer for a binding. Throws an Error where its messages lack the policy's fields: a bug of a `.proto`. */
export function compileEventWriter(
  binding: Binding,
  policy: { readonly id: string; readonly data: string; readonly event: string },
): EventWriter {
  const { output } = binding.method;
  const field = (name: string): DescField => {
    const found = output.fields.find((other) => other.name === name);
    if (found === undefined) throw new Error(`${output.typeName} has no field ${name}`);
    return found;
  };
  const id = policy.id === "" ? undefined : field(policy.id);
  const json = compileJson(output, policy.data === "" ? undefined : field(policy.data));
  const name = policy.event === "" ? "" : `event: ${oneLine(policy.event)}\n`;
  return (message) => {
    const idText = id === undefined ? "" : oneLine(String(valueOf(message, id) ?? ""));
    return `${idText === "" ? "" : `id: ${idText}\n`}${name}data: ${json(message)}\n\n`;
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n\0]/g, "");
}

/**
 * Answers with a server stream as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * An error at once is thrown: it has an answer of its own. A later one is an event `error` with a problem, but for a
 * target that goes away, a deadline, or this process draining: then the stream just ends, and a browser comes back with
 * the last id. One event at most waits for a slow reader; the rest waits in the call, which tells when it is accepted.
 */
export async function serveEvents(
  begin: Begin,
  call: (onAccepted: () => void) => AsyncIterable<Message>,
  options: {
    readonly events: EventWriter;
    readonly heartbeatMs: number;
    readonly trace: TraceContext;
    readonly log: Log;
  },
): Promise<void> {
  const { events, heartbeatMs, trace, log } = options;
  let response: ServerResponse | undefined;
  const open = (): ServerResponse => {
    if (response !== undefined) return response;
    response = begin({ "content-type": "text/event-stream", "x-accel-buffering": "no" });
    response.write(`retry: ${retryMs}\n\n`);
    return response;
  };
  const grace = setTimeout(open, graceMs);
  const heartbeat = setInterval(() => {
    // Behind a reader that is slow, or gone, there is nothing to keep alive.
    if (response?.destroyed === false && !response.writableNeedDrain) response.write(": still here\n\n");
  }, heartbeatMs);
  try {
    for await (const message of call(open)) await write(open(), events(message));
    open().end();
  } catch (error) {
    const known = WeftError.from(error);
    if (response === undefined) throw known;
    if (!response.destroyed) {
      const ends = known.retryable || known.code === "CANCELLED";
      if (!ends) log.warn({ err: known, trace_id: trace.traceId }, "an event stream failed");
      response.end(ends ? "" : `event: error\ndata: ${JSON.stringify(problemOf(known, trace))}\n\n`);
    }
  } finally {
    clearTimeout(grace);
    clearInterval(heartbeat);
  }
}
