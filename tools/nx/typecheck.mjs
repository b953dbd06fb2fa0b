// Type-checks one package: `node tools/nx/typecheck.mjs libs/kit`. The whole repository is `npm run typecheck`.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const root = join(import.meta.dirname, "../..");
const project = process.argv[2];
if (project === undefined) throw new Error("usage: node tools/nx/typecheck.mjs <project folder>");

const config = join(root, ".cache/tsconfig", `${project.replaceAll("/", "-")}.json`);
const fromConfig = (path) => relative(dirname(config), join(root, path));
mkdirSync(dirname(config), { recursive: true });
writeFileSync(
  config,
  JSON.stringify({
    extends: fromConfig("tsconfig.base.json"),
    compilerOptions: { typeRoots: [fromConfig("node_modules/@types")] },
    include: [fromConfig(`${project}/src`)],
  }),
);

const { status } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", config], { cwd: root, stdio: "inherit" });
process.exitCode = status ?? 1;
