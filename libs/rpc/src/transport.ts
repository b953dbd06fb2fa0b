import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { CallOptions } from "./context.ts";

/**
 * The way of a call to a service, whatever carries it. Errors are WeftErrors. A transport over @grpc/grpc-js is the
 * default; another one must behave the same.
 */
export interface Transport extends AsyncDisposable {
  /** One request, one response. */
  unary(method: DescMethod, request: Message, options?: CallOptions): Promise<Message>;
  /** All kinds of stream. Ending the iteration early cancels the call. Requests are pulled as fast as the target takes them. */
  stream(method: DescMethod, requests: AsyncIterable<Message>, options?: CallOptions): AsyncIterable<Message>;
}
