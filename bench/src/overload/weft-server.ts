// The mesh's own server, with its defaults.
import { AuthService, UserService } from "@weft/contracts/user";
import { implement, openServer } from "@weft/rpc";
import { handlers } from "../peers/users.ts";
import { workOf } from "./work.ts";

const work = workOf(process.argv[2]);
const server = await openServer({
  host: "127.0.0.1",
  port: 0,
  services: [
    implement(UserService, {
      getUser: async ({ id }) => {
        await work();
        return { user: handlers.getUser(id) };
      },
    }),
    implement(AuthService, {}),
  ],
  tokens: { verify: (token) => (token === undefined ? undefined : { subject: "bench", roles: ["admin"] }) },
});
process.on("SIGTERM", () => process.exit(0));
process.on("disconnect", () => process.exit(0));
process.send?.({ address: server.address });
