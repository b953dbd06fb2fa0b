import type { DescService } from "@bufbuild/protobuf";
import { type Log, WeftError } from "@weft/kit";
import type { Transport } from "@weft/rpc";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { EdgeLimits } from "../limits/edge-limits.ts";
import type { Shedding } from "../limits/shedding.ts";
import type { RouteMatch } from "../routes/router.ts";
import { type Route, routesOf } from "../routes/table.ts";
import type { GatewayConfig } from "../settings.ts";
import { sendWhole } from "./answer.ts";
import { discardRest } from "./body.ts";
import { answerCall } from "./call.ts";
import { preflightHeaders } from "./cors.ts";
import { authorizationOf, type Exchange, exchangeOf } from "./exchange.ts";
import { problemAnswer } from "./problem.ts";

/** What the edge is made of. */
export interface EdgeParts {
  /** Public services and the process that serves each. */
  readonly services: readonly { readonly service: DescService; readonly target: string }[];
  /** The way to a process. Called once for each. */
  readonly transport: (target: string) => Transport;
  readonly config: GatewayConfig;
  /** Who may call how often. */
  readonly limits: EdgeLimits;
  /** How many calls there is time for. */
  readonly shedding: Shedding;
  readonly log: Log;
  /** Called after each answer to a path of the contracts, or to an unknown one; must not throw. */
  readonly onAnswer?: (info: AnswerInfo) => void;
  /** Called for each connection that is closed because there are too many; must not throw. */
  readonly onDrop?: () => void;
}

/** An answer, for measurements. */
export interface AnswerInfo {
  readonly method: string;
  /** The path's template; empty for a path that no contract has. */
  readonly template: string;
  /** That of its failure where the caller went away before it began. */
  readonly status: number;
  readonly durationMs: number;
}

/** Answers one request. */
export type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/** How the edge stops: told by signals, the first a moment before the second. */
export interface Stopping {
  /** Connections end with their answers. */
  readonly leaving: AbortSignal;
  /** Event streams end. */
  readonly draining: AbortSignal;
}

/** The handler of every path that a contract may declare. */
export function compileHandler(parts: EdgeParts, { leaving, draining }: Stopping): Handler {
  const { services, transport, config, limits, shedding, log, onAnswer } = parts;
  const router = routesOf(services);
  const targets = [...new Set(services.map(({ target }) => target))];
  const transports = new Map(targets.map((target) => [target, transport(target)]));

  return async (request, reply) => {
    const begun = performance.now();
    const exchange = exchangeOf(request.headers, { corsOrigins: config.corsOrigins, leaving });
    let template = "";
    let admitted: Route | undefined;
    let failure: WeftError | undefined;
    try {
      const { match, query } = locate(request);
      if (match.kind === "method") {
        otherMethod(request, reply, exchange, match.allow);
      } else {
        const { route, values } = match;
        template = route.binding.template.text;
        shedding.admit(route);
        const target = transports.get(route.binding.target);
        if (target === undefined) throw new WeftError("INTERNAL", `there is no way to ${route.binding.target}`);
        const authorization = authorizationOf(request.headers.authorization, route.needsToken);
        const { headers } = exchange;
        // Nearly always decided at once: then the call waits for nobody.
        const deciding = limits.admit({ request: request.raw, route, authorization, headers });
        if (deciding !== undefined) await deciding;
        admitted = route;
        const found = { request, reply, exchange, route, values, query, authorization };
        await answerCall(found, { target, config, log, draining });
      }
    } catch (error) {
      failure = WeftError.from(error);
      sendError(request, reply, exchange, { error: failure, log });
    } finally {
      if (admitted !== undefined) limits.ended(admitted, failure);
      if (!request.raw.complete) discardRest(request.raw);
      const durationMs = performance.now() - begun;
      const { headersSent, statusCode } = reply.raw;
      const status = headersSent ? statusCode : (failure?.httpStatus ?? statusCode);
      onAnswer?.({ method: request.method, template, status, durationMs });
    }
  };

  /** What the URL of a request leads to. */
  function locate(request: FastifyRequest): {
    readonly match: Exclude<RouteMatch<Route>, { readonly kind: "none" }>;
    readonly query: string;
  } {
    const url = request.raw.url ?? "/";
    if (url.length > config.maxUrlBytes) {
      throw new WeftError("URI_TOO_LONG", `the URL is longer than ${config.maxUrlBytes} bytes`);
    }
    const mark = url.indexOf("?");
    const path = mark < 0 ? url : url.slice(0, mark);
    const match = router.find(request.method, path);
    if (match.kind === "none") throw new WeftError("ROUTE_NOT_FOUND", `there is no route ${path}`);
    return { match, query: mark < 0 ? "" : url.slice(mark + 1) };
  }

  /** A path that exists, but not with this method: preflights are answered, the rest is refused. */
  function otherMethod(
    request: FastifyRequest,
    reply: FastifyReply,
    exchange: Exchange,
    methods: readonly string[],
  ): void {
    const allow = [...methods, "OPTIONS"].join(", ");
    if (request.method !== "OPTIONS") {
      throw new WeftError("METHOD_NOT_ALLOWED", `${request.method} is not one of ${allow}`, { metadata: { allow } });
    }
    const headers = { allow, ...preflightHeaders(config.corsOrigins, request.headers.origin, methods) };
    sendWhole(reply, exchange, { status: 204, headers });
  }
}

/** Sends an error, and logs what is our own fault. */
export function sendError(
  request: FastifyRequest,
  reply: FastifyReply,
  exchange: Exchange,
  { error, log }: { readonly error: WeftError; readonly log: Log },
): void {
  if (error.httpStatus === 500) {
    const { traceId } = exchange.trace;
    log.error(
      { err: error, trace_id: traceId, method: request.method, route: request.url.split("?", 1)[0] },
      "a request failed",
    );
  }
  // Nobody is there to read it, or the answer has begun.
  if (reply.raw.destroyed || reply.raw.headersSent) reply.hijack();
  else sendWhole(reply, exchange, problemAnswer(error, exchange));
}
