// The user service's contract with no store behind it, on the mesh's own rpc server, listed by discovery.
import { openEmbeddedDiscovery } from "@weft/discovery-embedded";
import { AuthService, UserService } from "@weft/contracts/user";
import { implement, openServer } from "@weft/rpc";
import { handlers } from "./users.ts";

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error("usage: backend.ts DATA_DIR");

const server = await openServer({
  host: "127.0.0.1",
  port: 0,
  services: [
    implement(UserService, {
      getUser: ({ id }) => ({ user: handlers.getUser(id) }),
      createUser: ({ user }) => ({ user: handlers.createUser(user) }),
    }),
    implement(AuthService, {}),
  ],
  tokens: { verify: (token) => (token === undefined ? undefined : { subject: "bench", roles: ["admin"] }) },
});
server.health.set("", true);
const discovery = await openEmbeddedDiscovery({ dataDir });
await discovery.register({ service: "user", id: `bench-${process.pid}`, address: server.address, metadata: {} });
process.send?.({ address: server.address });
process.on("SIGTERM", () => process.exit(0));
process.on("disconnect", () => process.exit(0));
