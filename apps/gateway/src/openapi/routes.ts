import { createHash } from "node:crypto";
import type { DescService } from "@bufbuild/protobuf";
import { WeftError } from "@weft/kit";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { noneMatchNames } from "../transcode/etag.ts";
import { sendWhole } from "../http/answer.ts";
import { type ExchangeOptions, exchangeOf } from "../http/exchange.ts";
import { openApiOf } from "./document.ts";
import { errorsPage, operationsPage, pagePolicy } from "./page.ts";

/** What stays the same as long as the process runs. */
interface Page {
  readonly type: string;
  readonly text: string;
  /** Its content security policy. */
  readonly policy?: string;
}

const version = "1.0.0";

/** `GET /openapi.json`, `/docs`, `/docs/errors`, and `/`, which leads to `/docs`. All work offline. */
export function documentationRoutes(
  app: FastifyInstance,
  services: readonly { readonly service: DescService; readonly target: string }[],
  options: ExchangeOptions,
): void {
  const document = openApiOf(services, version);
  const pages: Readonly<Record<string, Page>> = {
    "/openapi.json": { type: "application/json; charset=utf-8", text: JSON.stringify(document) },
    "/docs": { type: "text/html; charset=utf-8", text: operationsPage(document), policy: pagePolicy },
    "/docs/errors": { type: "text/html; charset=utf-8", text: errorsPage(), policy: pagePolicy },
  };
  for (const [url, { type, text, policy }] of Object.entries(pages)) {
    const tag = createHash("sha256").update(text).digest("base64url").slice(0, 22);
    const headers = { etag: `"${tag}"`, "cache-control": "no-cache", "content-security-policy": policy };
    serve(app, url, (request, reply) => {
      const exchange = exchangeOf(request.headers, options);
      const known = request.headers["if-none-match"];
      if (known !== undefined && noneMatchNames(known, tag))
        return sendWhole(reply, exchange, { status: 304, headers });
      return sendWhole(reply, exchange, { status: 200, headers: { "content-type": type, ...headers }, body: text });
    });
  }
  serve(app, "/", (request, reply) =>
    sendWhole(reply, exchangeOf(request.headers, options), { status: 302, headers: { location: "/docs" }, body: "" }),
  );
}

type Serve = (request: FastifyRequest, reply: FastifyReply) => void;

/** Serves GET and HEAD of a path, and refuses its other methods. */
function serve(app: FastifyInstance, url: string, handler: Serve): void {
  const method = ["GET", "HEAD"];
  app.route({ method, url, handler });
  app.route({
    method: app.supportedMethods.filter((other) => !method.includes(other)),
    url,
    handler: () => {
      throw new WeftError("METHOD_NOT_ALLOWED", "only GET and HEAD", { metadata: { allow: "GET, HEAD" } });
    },
  });
}
