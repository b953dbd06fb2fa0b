import { setting } from "@weft/kit";
import { runService } from "@weft/service";

/** Stands for any service in tests of `up`: it listens and does nothing else. */
const name = process.argv[2] ?? process.env["FIXTURE_NAME"] ?? "fixture";

process.exitCode = await runService({
  name,
  settings: { port: setting.integer("port", { default: 0, about: "Port of the edge." }) },
  compose: (host) => {
    host.log.info({ sql: host.config.sql.reveal() === "postgres://test/" }, "composed");
    const listen = async () => `127.0.0.1:${host.config.port}`;
    const listener = { listen, drain: async () => undefined };
    return { services: [], listeners: name === "gateway" ? [listener] : [] };
  },
  env: process.env,
  argv: [],
});
