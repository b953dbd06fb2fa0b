import type { DescService } from "@bufbuild/protobuf";
import type { CallContext } from "./context.ts";
import type { Handlers } from "./types.ts";

/** Any handler, once its method's kind is known from the descriptor alone. */
export type AnyHandler = (request: never, context: CallContext) => unknown;

/** A service and the functions that serve it. Made by {@link implement}. */
export interface ServiceImplementation {
  readonly service: DescService;
  /** By local name of the method (`getUser`). */
  readonly handlers: ReadonlyMap<string, AnyHandler>;
}

/** Ties handlers to a service. Handlers may be methods of a class instance; they keep their `this`. */
export function implement<S extends DescService>(service: S, handlers: Handlers<S>): ServiceImplementation {
  const found = new Map<string, AnyHandler>();
  for (const method of service.methods) {
    const handler: unknown = Reflect.get(handlers, method.localName);
    if (typeof handler === "function") found.set(method.localName, handler.bind(handlers));
  }
  return { service, handlers: found };
}
