// Gives every workspace package with a `src` folder its Nx targets, so that no package writes them down.
const { existsSync, globSync } = require("node:fs");
const { dirname, join } = require("node:path");

/** Own files and those of everything imported decide whether a cached result still holds. */
const inputs = ["default", "^default"];

function targetsOf(workspaceRoot, projectRoot) {
  if (!existsSync(join(workspaceRoot, projectRoot, "src"))) return {};
  const target = (command) => ({ command, options: { cwd: "{workspaceRoot}" }, cache: true, inputs, outputs: [] });
  const targets = {
    typecheck: target(`node tools/nx/typecheck.mjs ${projectRoot}`),
    lint: target(`eslint ${projectRoot}`),
  };
  const tests = globSync("src/**/*.test.ts", { cwd: join(workspaceRoot, projectRoot) });
  // A trailing slash: vitest filters by substring, and `libs/kit` is also the beginning of `libs/kitchen`.
  if (tests.length > 0) targets.test = target(`vitest run ${projectRoot}/`);
  return targets;
}

function projectOf(workspaceRoot, root) {
  return {
    root,
    projectType: root.startsWith("apps/") ? "application" : "library",
    // These start the apps as processes, so no import shows what they depend on.
    ...(/^(tests|bench)\b/.test(root) && { implicitDependencies: ["tag:type:app", "@weft/weft"] }),
    targets: targetsOf(workspaceRoot, root),
  };
}

module.exports = {
  name: "weft-targets",
  createNodes: [
    "{apps,libs,tools,tests,bench}/**/package.json",
    (files, _options, { workspaceRoot }) =>
      files.map((file) => [file, { projects: { [dirname(file)]: projectOf(workspaceRoot, dirname(file)) } }]),
  ],
};
