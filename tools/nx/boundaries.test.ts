import { join } from "node:path";
import { ESLint } from "eslint";
import { beforeAll, expect, test } from "vitest";

// The rules are run on files that don't exist, so that no violation ever lies in the tree.
const root = join(import.meta.dirname, "../..");
const eslint = new ESLint({ cwd: root, overrideConfigFile: "tools/nx/boundaries.mjs" });

async function lint(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: join(root, file) });
  return (result?.messages ?? []).map((message) => message.message);
}

// The first run makes the project graph.
beforeAll(() => lint("libs/kit/src/x.ts", ""), 60_000);

const allowed: [file: string, imported: string][] = [
  ["libs/telemetry/src/x.ts", "@weft/kit"],
  ["libs/search/port/src/x.ts", "@weft/filter"],
  ["libs/pubsub/outbox/src/x.ts", "@weft/sql"],
  ["libs/pubsub/outbox/src/x.test.ts", "@weft/sql-postgres"],
  ["libs/state/embedded/src/x.ts", "@weft/state"],
  ["libs/state/embedded/src/x.test.ts", "@weft/state/conformance"],
  ["libs/blocks/src/x.ts", "@weft/state-embedded"],
  ["libs/rpc/src/x.ts", "@weft/discovery"],
  ["libs/rpc/src/x.ts", "@grpc/grpc-js"],
  ["libs/sqlite/src/x.ts", "node:sqlite"],
  ["libs/state/embedded/src/x.test.ts", "node:sqlite"],
  ["apps/user/src/x.ts", "@weft/service"],
  ["apps/user/src/x.ts", "@weft/contracts/user"],
  ["tools/weft/src/x.ts", "@weft/sql-postgres"],
];

test.each(allowed)("%s may import %s", async (file, imported) => {
  expect(await lint(file, `import * as x from "${imported}"; x;`)).toEqual([]);
});

const forbidden: [file: string, imported: string, message: RegExp][] = [
  ["libs/telemetry/src/x.ts", "@weft/state", /tagged with "type:kit" can only depend on/],
  ["libs/telemetry/src/x.ts", "@weft/rpc", /Circular dependency|can only depend on/],
  ["libs/state/port/src/x.ts", "@weft/lock-embedded", /tagged with "type:port" can only depend on/],
  ["libs/state/embedded/src/x.ts", "@weft/lock", /tagged with "type:adapter" and "block:state" can only depend on/],
  ["libs/state/embedded/src/x.ts", "@weft/lock-embedded", /can only depend on/],
  ["libs/rpc/src/x.ts", "@weft/discovery-embedded", /tagged with "type:rpc" can only depend on/],
  ["libs/service/src/x.ts", "@weft/state-embedded", /tagged with "type:service" can only depend on/],
  ["apps/user/src/x.ts", "@weft/sql-postgres", /tagged with "type:app" can only depend on/],
  ["apps/user/src/x.ts", "@weft/gateway", /Imports of apps are forbidden/],
  ["tests/system/src/x.ts", "@weft/gateway", /Imports of apps are forbidden/],
  ["apps/user/src/x.ts", "../../../libs/kit/src/index.ts", /cannot be imported by a relative or absolute path/],
  ["apps/user/src/x.ts", "@weft/kit/src/errors.ts", /reaches into another package/],
  ["apps/user/src/x.ts", "@grpc/grpc-js", /imported in libs\/rpc, bench, tests only/],
  ["apps/user/src/x.ts", "pg", /imported in libs\/sql\/postgres only/],
  ["libs/state/embedded/src/x.ts", "node:sqlite", /imported in libs\/sqlite, libs\/sql\/postgres, infra\/native only/],
  ["libs/kit/src/x.ts", "commander", /Transitive or unresolvable dependencies are not allowed/],
];

test.each(forbidden)("%s may not import %s", async (file, imported, message) => {
  expect((await lint(file, `import * as x from "${imported}"; x;`)).join("\n")).toMatch(message);
});

test("an import on demand and a re-export count as imports", async () => {
  expect(await lint("apps/user/src/x.ts", `await import("pg");`)).not.toEqual([]);
  expect(await lint("apps/user/src/x.ts", `export { Pool } from "pg";`)).not.toEqual([]);
  expect(await lint("apps/user/src/x.ts", `await import("@weft/sql-postgres");`)).not.toEqual([]);
});
