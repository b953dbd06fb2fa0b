import { createServer, type ServerResponse } from "node:http";
import { hostAndPort, WeftError } from "@weft/kit";
import type { ServerStats } from "@weft/rpc";
import type { Metrics } from "@weft/telemetry";
import type { Listener } from "./host.ts";
import type { TargetStatus } from "./mesh.ts";
import type { Readiness } from "./readiness.ts";

export interface AdminOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly service: string;
  readonly instance: string;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  /** How calls go, from and to this process. */
  readonly calls: () => Pick<CallsReport, "targets" | "server">;
}

/** What `GET /targets` answers. */
export interface CallsReport {
  readonly service: string;
  readonly instance: string;
  /** The services that this process calls, as it sees them. */
  readonly targets: readonly TargetStatus[];
  /** How its own server is doing, with what its other listeners refused; missing before it listens. */
  readonly server?: ServerStats;
}

/** How the server of a process is doing, its other listeners' refusals counted in. */
export function statsOf(server: ServerStats, listeners: readonly Listener[]): ServerStats {
  const shed = { ...server.shed };
  for (const { shed: { critical = 0, interactive = 0, batch = 0 } = {} } of listeners) {
    shed.critical += critical;
    shed.interactive += interactive;
    shed.batch += batch;
  }
  return { ...server, shed };
}

/** The HTTP server for those who run the process. */
export interface AdminServer extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
}

/**
 * Listens for `GET /livez` (200 while the event loop turns), `/readyz` (200 or 503 with the checks), `/metrics` and
 * `/targets` (who this process calls, and how it sees them: see {@link CallsReport}).
 * Answers from the beginning of the process' life to its end. `FAILED_PRECONDITION` when the port is taken.
 */
export async function openAdmin(options: AdminOptions): Promise<AdminServer> {
  const { host, port } = options;
  const server = createServer({ requestTimeout: 5000 }, (request, response) => {
    const path = request.url?.split("?")[0] ?? "/";
    request.resume();
    if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, "text/plain", "GET only\n");
    respond(path, options, response).catch((error: unknown) => {
      answer(response, 500, "text/plain", `${WeftError.from(error).message}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      reject(
        new WeftError("FAILED_PRECONDITION", `can't listen on ${hostAndPort(host, port)}: ${error.message}`, {
          cause: error,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new WeftError("INTERNAL", "a TCP server without a port");
  return {
    address: hostAndPort(host, bound.port),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function respond(path: string, options: AdminOptions, response: ServerResponse): Promise<void> {
  const { readiness, metrics, calls, service, instance } = options;
  switch (path) {
    case "/livez":
      return answer(response, 200, "text/plain", "ok\n");
    case "/readyz": {
      const report = await readiness.report();
      const body = JSON.stringify({ service, instance, ...report });
      return answer(response, report.status === "ready" ? 200 : 503, "application/json", `${body}\n`);
    }
    case "/metrics":
      return answer(response, 200, "text/plain; version=0.0.4", await metrics.text());
    case "/targets": {
      const report: CallsReport = { service, instance, ...calls() };
      return answer(response, 200, "application/json", `${JSON.stringify(report)}\n`);
    }
    default:
      return answer(response, 404, "text/plain", "/livez /readyz /metrics /targets\n");
  }
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(body);
}
