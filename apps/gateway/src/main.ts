import { runService } from "@weft/service";
import manifest from "../package.json" with { type: "json" };
import { compose } from "./compose.ts";
import { settings } from "./settings.ts";

process.exitCode = await runService({
  name: "gateway",
  settings,
  compose,
  env: process.env,
  argv: process.argv.slice(2),
  version: manifest.version,
});
