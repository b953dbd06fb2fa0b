// `node tools/build/src/main.ts apps/user` writes `dist/apps/user`; `WEFT_VERSION` replaces the app's own version.
import { join } from "node:path";
import { bundle } from "./bundle.ts";

const root = join(import.meta.dirname, "../../..");
const [app, ...rest] = process.argv.slice(2);
if (app === undefined || rest.length > 0) throw new Error("usage: node tools/build/src/main.ts apps/<service>");

const started = performance.now();
const { version, scripts } = await bundle({
  root,
  app,
  to: join(root, "dist", app),
  ...(process.env["WEFT_VERSION"] ? { version: process.env["WEFT_VERSION"] } : {}),
});
console.log(
  `dist/${app}: version ${version}, ${scripts.length} scripts (${Math.round(performance.now() - started)} ms)`,
);
