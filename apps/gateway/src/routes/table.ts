import type { DescService } from "@bufbuild/protobuf";
import { compileBatcher } from "../streams/items.ts";
import { compileEventWriter, type EventWriter } from "../streams/events.ts";
import { compileLineWriter, type LineWriter } from "../streams/download.ts";
import { compileRequest, type RequestReader } from "../transcode/request.ts";
import { compileResponse, type ResponseWriter } from "../transcode/response.ts";
import { type Binding, bindingsOf } from "./bindings.ts";
import { Router } from "./router.ts";

/** How a route is answered: everything about it that the contract tells, looked up at start. */
export type Answering =
  | { readonly kind: "unary"; readonly respond: ResponseWriter }
  | { readonly kind: "upload"; readonly batcher: ReturnType<typeof compileBatcher>; readonly respond: ResponseWriter }
  | { readonly kind: "download"; readonly lines: LineWriter }
  | { readonly kind: "events"; readonly events: EventWriter };

/** A route of the edge. */
export interface Route {
  readonly binding: Binding;
  readonly read: RequestReader;
  readonly answering: Answering;
  /** Whether a call without a token can't succeed. */
  readonly needsToken: boolean;
}

/** The routes of all services. Throws an Error for a contract that makes no sense over HTTP. */
export function routesOf(
  services: readonly { readonly service: DescService; readonly target: string }[],
): Router<Route> {
  const router = new Router<Route>();
  for (const binding of bindingsOf(services)) {
    const answering = answeringOf(binding);
    router.add(binding.httpMethod, binding.template, {
      binding,
      answering,
      read: compileRequest(binding, { partial: answering.kind === "upload" }),
      needsToken: binding.contract.policy.access?.rule.case !== "public",
    });
  }
  return router;
}

function answeringOf(binding: Binding): Answering {
  const { method, contract } = binding;
  const { stream } = contract.policy;
  if (method.methodKind === "unary") return { kind: "unary", respond: compileResponse(binding) };
  if (method.methodKind === "client_streaming" && stream.case === "ndjson") {
    return { kind: "upload", batcher: compileBatcher(binding, stream.value.items), respond: compileResponse(binding) };
  }
  if (method.methodKind === "server_streaming" && stream.case === "ndjson") {
    return { kind: "download", lines: compileLineWriter(binding, stream.value.items) };
  }
  if (method.methodKind === "server_streaming" && stream.case === "serverSentEvents") {
    return { kind: "events", events: compileEventWriter(binding, stream.value) };
  }
  throw new Error(`${contract.name}: its policy does not say how it streams over HTTP`);
}
