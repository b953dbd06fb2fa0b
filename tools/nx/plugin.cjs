// Gives every workspace package with a `src` folder its Nx targets, so that no package writes them down.
const { existsSync, globSync } = require("node:fs");
const { dirname, join } = require("node:path");

/** Own files and those of everything imported decide whether a cached result still holds. */
const inputs = ["default", "^default"];

/** The same for a bundle, which no test or page goes into, and how it is made. */
const buildInputs = ["bundled", "^bundled", { env: "WEFT_VERSION" }];

function targetsOf(workspaceRoot, projectRoot) {
  if (!existsSync(join(workspaceRoot, projectRoot, "src"))) return {};
  const target = (command) => ({ command, options: { cwd: "{workspaceRoot}" }, cache: true, inputs, outputs: [] });
  const targets = {
    typecheck: target(`node tools/nx/typecheck.mjs ${projectRoot}`),
    lint: target(`eslint ${projectRoot}`),
  };
  if (existsSync(join(workspaceRoot, projectRoot, "src/main.ts")) && isApp(projectRoot)) {
    const outputs = [`{workspaceRoot}/dist/${projectRoot}`];
    targets.build = { ...target(`node tools/build/src/main.ts ${projectRoot}`), inputs: buildInputs, outputs };
  }
  const tests = globSync("src/**/*.test.ts", { cwd: join(workspaceRoot, projectRoot) });
  // A trailing slash: vitest filters by substring, and `libs/kit` is also the beginning of `libs/kitchen`.
  if (tests.length > 0) targets.test = target(`vitest run ${projectRoot}/`);
  return targets;
}

/** `apps/user`, and not what may lie deeper. */
function isApp(root) {
  return dirname(root) === "apps";
}

function projectOf(workspaceRoot, root) {
  return {
    root,
    projectType: isApp(root) ? "application" : "library",
    // These start the apps as processes, so no import shows what they depend on.
    ...(/^(tests|bench)\b/.test(root) && { implicitDependencies: ["tag:type:app", "@weft/weft"] }),
    targets: targetsOf(workspaceRoot, root),
  };
}

module.exports = {
  name: "weft-targets",
  createNodes: [
    "{apps,libs,tools,tests,infra,bench}/**/package.json",
    (files, _options, { workspaceRoot }) =>
      files.map((file) => [file, { projects: { [dirname(file)]: projectOf(workspaceRoot, dirname(file)) } }]),
  ],
};
