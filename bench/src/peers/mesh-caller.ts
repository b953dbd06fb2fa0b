// A service of the mesh with nothing to do but call another one, by the client that every service gets.
import { UserService } from "@weft/contracts/user";
import { runService } from "@weft/service";
import { callOnDemand } from "./load.ts";

process.exitCode = await runService({
  name: "caller",
  settings: {},
  compose: (host) => {
    const client = host.client(UserService, "user");
    const authorization = "Bearer bench";
    callOnDemand(() => client.getUser({ id: "1" }, { authorization }));
    return { services: [] };
  },
  env: process.env,
  argv: process.argv.slice(2),
});
