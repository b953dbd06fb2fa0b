#!/usr/bin/env node
// What `npx weft` runs: the sources, under the repository's own Node.
import { bootstrap } from "../../bootstrap.mjs";

process.exitCode = await bootstrap(["tools/weft/src/main.ts", ...process.argv.slice(2)]);
