// A bare grpc-js server with the same handler.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import { CreateUserResponseSchema, GetUserResponseSchema } from "@weft/contracts/user";
import { createUser, getUser } from "./grpc-methods.ts";
import { handlers } from "./users.ts";

const server = new Server();
server.addService(
  { getUser, createUser },
  {
    getUser: (call: { request: { id: string } }, done: (error: null, response: unknown) => void) =>
      done(null, create(GetUserResponseSchema, { user: handlers.getUser(call.request.id) })),
    createUser: (
      call: { request: { user: Parameters<typeof handlers.createUser>[0] } },
      done: (error: null, response: unknown) => void,
    ) => done(null, create(CreateUserResponseSchema, { user: handlers.createUser(call.request.user) })),
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send?.({ address: `127.0.0.1:${port}` });
});
process.on("SIGTERM", () => process.exit(0));
process.on("disconnect", () => process.exit(0));
