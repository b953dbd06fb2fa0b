import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkLinks } from "./links.ts";
import { checkPackage } from "./packages.ts";
import { checkText } from "./text.ts";

const root = join(import.meta.dirname, "../../..");
const isText = /\.(ts|js|mjs|cjs|json|md|yaml|yml|proto|sh|html|css)$/;
const generated = "libs/contracts/src/gen/";

const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
const paths = listed
  .toString()
  .split("\0")
  .filter((path) => isText.test(path) && !path.startsWith(generated) && existsSync(join(root, path)));
const files = new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));

const problems = [...files].flatMap(([path, text]) => [
  ...checkText(path, text),
  ...checkPackage(path, text),
  ...checkLinks(path, text, (target) => files.get(target) ?? (existsSync(join(root, target)) ? "" : undefined)),
]);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
