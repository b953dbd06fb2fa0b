import { Client, credentials, Metadata, type MethodDefinition } from "@grpc/grpc-js";

/** A unary call as one writes it by hand: a deadline, a token, a promise. */
export function caller<I, O>(address: string, method: MethodDefinition<I, O>): (request: I) => Promise<O> {
  const client = new Client(address, credentials.createInsecure());
  return (request) =>
    new Promise((resolve, reject) => {
      const metadata = new Metadata();
      metadata.set("authorization", "Bearer bench");
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
