import { enableCompileCache } from "node:module";
import { join } from "node:path";

// Before anything else is loaded: what was compiled once is not compiled again, here and in every process of `up`.
const compileCache = process.env.NODE_COMPILE_CACHE ?? join(import.meta.dirname, "../../../.cache/compile");
enableCompileCache(compileCache);

// Nobody reads any more (`weft logs | head`): end as if asked to, which for `up` means in order.
process.stdout.once("error", () => {
  process.stdout.on("error", () => undefined);
  process.kill(process.pid, "SIGTERM");
});

const { runCli } = await import("./cli.ts");
process.exitCode = await runCli(process.argv.slice(2), {
  env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});
