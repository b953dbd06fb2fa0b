import { join } from "node:path";
import { Secret, setting, WeftError } from "@weft/kit";
import { upCommand } from "../../up/command.ts";
import type { StartSql } from "../../up/sql-server.ts";

/** `weft up` with services and a SQL server that are there for tests. */
const entry = join(import.meta.dirname, "../service/main.ts");
const specOf = (service: string) => ({ service, entry, env: { FIXTURE_NAME: service }, settings: {} });

const startSql: StartSql = async ({ log }) => {
  if (process.env["FIXTURE_SQL"] === "fails") throw new WeftError("UNAVAILABLE", "PostgreSQL did not start");
  const ended = Promise.withResolvers<void>();
  log.info({}, "sql answers");
  return {
    url: new Secret("postgres://test/"),
    // Of nobody.
    pid: 2 ** 30,
    ended: ended.promise,
    [Symbol.asyncDispose]: async () => {
      log.info({}, "sql stops");
      ended.resolve();
    },
  };
};

const replicas = new Map(Object.entries(JSON.parse(process.argv[2] ?? "{}") as Record<string, number>));
try {
  process.exitCode = await upCommand(
    { replicas, ...(process.argv.includes("--json") ? { json: true } : {}) },
    { env: process.env, cwd: process.cwd(), stdin: process.stdin, stdout: process.stdout, stderr: process.stderr },
    {
      services: [
        { ...specOf("user"), needsSql: true },
        specOf("search"),
        {
          ...specOf("gateway"),
          single: true,
          settings: { port: setting.integer("port", { default: 0, about: "Port of the edge." }) },
        },
      ],
      startSql,
    },
  );
} catch (error) {
  process.stderr.write(`weft: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
