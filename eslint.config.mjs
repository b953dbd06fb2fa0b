import tseslint from "typescript-eslint";
import boundaries from "./tools/nx/boundaries.mjs";

/** Where the process' environment is read: entry points, and tests that start processes. */
const readsEnvironment = [
  "**/main.ts",
  "**/*.test.ts",
  "**/*.config.ts",
  "tests/**",
  "bench/**",
  "tools/{test,bootstrap}*",
];

export default tseslint.config(
  boundaries,
  {
    files: ["**/*.ts"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/ban-ts-comment": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/no-unnecessary-type-assertion": "error",
      "@typescript-eslint/only-throw-error": "error",
      "@typescript-eslint/return-await": ["error", "error-handling-correctness-only"],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: "error",
      "no-restricted-properties": [
        "error",
        { object: "process", property: "env", message: "Settings are read in main.ts and passed down." },
      ],
      "no-unsafe-finally": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  { files: readsEnvironment, rules: { "no-restricted-properties": "off" } },
);
