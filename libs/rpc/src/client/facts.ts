import type { Message } from "@bufbuild/protobuf";
import type { Metadata } from "@grpc/grpc-js";
import type { CallFacts, CallPolicy } from "@weft/resilience";
import type { CallOptions } from "../context.ts";

const none: CallFacts = Object.freeze({});

/**
 * Reads of calls what a policy places them by. Where it asks for nothing, this costs nothing. A field is read of calls
 * with one request, be their answer a stream; those that send a stream are placed before their first request is there,
 * and have the key that their caller or a header says, or none.
 */
export class CallReader {
  #path: readonly string[] = [];
  #readsHeaders = false;

  configure({ balancing, routes = [] }: Pick<Partial<CallPolicy>, "balancing" | "routes">): void {
    const key = balancing?.key;
    this.#path = key !== undefined && "field" in key ? key.field.split(".") : [];
    this.#readsHeaders = (key !== undefined && "header" in key) || routes.length > 0;
  }

  /** @param options of which `key` is the caller's own word; it goes before the policy's */
  read(metadata: Metadata, request: Message | undefined, { key, header }: CallOptions): CallFacts {
    if (key === undefined && this.#path.length === 0 && !this.#readsHeaders) return none;
    return {
      key: key ?? (request === undefined ? undefined : this.#field(request)),
      header: (name) => {
        const [value] = metadata.get(name);
        return typeof value === "string" ? value : header?.(name);
      },
    };
  }

  /** The field that the key comes from; a name in it is as the contract has it, `user_id`, or as JSON has it, `userId`. */
  #field(request: Message): string | undefined {
    let value: unknown = request;
    for (const name of this.#path) {
      if (typeof value !== "object" || value === null) return undefined;
      value = Reflect.get(
        value,
        name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      );
    }
    const isText = typeof value === "string" || typeof value === "number" || typeof value === "bigint";
    return this.#path.length > 0 && isText && value !== "" ? String(value) : undefined;
  }
}
