// A bare grpc-js server with the same handler.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import { GetUserResponseSchema } from "@weft/contracts/user";
import { getUser } from "../peers/grpc-methods.ts";
import { handlers } from "../peers/users.ts";
import { workOf } from "./work.ts";

const work = workOf(process.argv[2]);
const server = new Server();
server.addService(
  { getUser },
  {
    getUser: (call: { request: { id: string } }, done: (error: Error | null, response?: unknown) => void) =>
      void work().then(
        () => done(null, create(GetUserResponseSchema, { user: handlers.getUser(call.request.id) })),
        (error: Error) => done(error),
      ),
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send?.({ address: `127.0.0.1:${port}` });
});
process.on("SIGTERM", () => process.exit(0));
process.on("disconnect", () => process.exit(0));
