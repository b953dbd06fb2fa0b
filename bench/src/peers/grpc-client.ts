import { Client, credentials, Metadata, type MethodDefinition } from "@grpc/grpc-js";

/** What goes with a call. */
export interface Passed {
  readonly authorization?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** A unary call as one writes it by hand: a deadline, a token, a promise. */
export function caller<I, O>(
  address: string,
  method: MethodDefinition<I, O>,
): (request: I, passed?: Passed) => Promise<O> {
  const client = new Client(address, credentials.createInsecure());
  return (request, { authorization, traceparent } = { authorization: "Bearer bench" }) =>
    new Promise((resolve, reject) => {
      const metadata = new Metadata();
      if (authorization !== undefined) metadata.set("authorization", authorization);
      if (traceparent !== undefined) metadata.set("traceparent", traceparent);
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + 5000 },
        (error, response) =>
          error === null && response !== undefined ? resolve(response) : reject(error ?? new Error("no response")),
      );
    });
}
