// Who may import what. `npm run boundaries` runs this alone; `npm run lint` runs it with everything else.
import { createProjectGraphAsync } from "@nx/devkit";
import nx from "@nx/eslint-plugin";
import tseslint from "typescript-eslint";
import { vendors } from "./vendors.mjs";

// The rule reads Nx's cached project graph, and passes everything where there is none: so make a fresh one first.
await createProjectGraphAsync({ exitOnError: false });

/** Which types of room a type of room may import. An adapter sees, of all ports, only its own block's. */
const imports = {
  "type:kit": ["type:kit"],
  "type:port": ["type:port", "type:kit"],
  "type:rpc": ["type:port", "type:kit"],
  "type:adapter": ["type:port", "type:kit"],
  "type:blocks": ["type:port", "type:adapter", "type:kit"],
  "type:service": ["type:blocks", "type:port", "type:rpc", "type:kit"],
  "type:app": ["type:service", "type:blocks", "type:port", "type:rpc", "type:kit"],
  "type:server": ["type:kit"],
  "type:tool": ["*"],
  "type:test": ["*"],
};

const blocks = ["configuration", "discovery", "lock", "pubsub", "search", "secrets", "sql", "state"];

/** `extra` is what any of them may import besides. Nx itself forbids importing an app, and circles. */
const boundaries = (extra) => [
  "error",
  {
    banTransitiveDependencies: true,
    // What `blocks` loads on demand, a test or a tool may still import outright.
    checkDynamicDependenciesExceptions: [".*"],
    depConstraints: [
      ...Object.entries(imports).map(([sourceTag, tags]) => ({
        sourceTag,
        onlyDependOnLibsWithTags: [...tags, ...extra],
      })),
      ...blocks.map((block) => ({
        allSourceTags: ["type:adapter", `block:${block}`],
        onlyDependOnLibsWithTags: [`block:${block}`, "type:kit", ...extra],
      })),
    ],
  },
];

export default tseslint.config(
  { ignores: ["**/node_modules", ".cache", ".nx", ".weft", "**/dist", "libs/contracts/src/gen"] },
  {
    files: ["**/*.{ts,mjs,cjs}"],
    languageOptions: { parser: tseslint.parser },
    linterOptions: { reportUnusedDisableDirectives: "off" },
    plugins: { "@nx": nx, weft: { rules: { vendors } } },
  },
  {
    files: ["{apps,libs,tools,tests,infra,bench}/**/*.ts"],
    rules: { "@nx/enforce-module-boundaries": boundaries([]), "weft/vendors": "error" },
  },
  // A test may open real adapters under what it tests.
  {
    files: ["**/*.test.ts"],
    rules: { "@nx/enforce-module-boundaries": boundaries(["type:adapter", "type:blocks", "type:server"]) },
  },
);
