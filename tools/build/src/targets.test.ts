import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
const everyService = ["gateway", "indexer", "notification", "search", "user"];

/** What `nx affected -t build` builds when this file has changed. */
async function builtAfter(path: string): Promise<string[]> {
  const args = ["show", "projects", "--affected", "--with-target=build", "--json", `--files=${path}`];
  const { stdout } = await promisify(execFile)(join(root, "node_modules/.bin/nx"), args, {
    cwd: root,
    env: { ...process.env, NX_DAEMON: "false" },
  });
  return (JSON.parse(stdout) as string[]).sort();
}

test.each([
  ["apps/search/src/compose.ts", ["search"]],
  ["libs/kit/src/errors.ts", everyService],
  ["libs/pubsub/outbox/src/relay.ts", ["user"]],
  ["docs/adr/README.md", []],
])(
  "a change of %s has %j built",
  async (path, expected) => {
    expect(await builtAfter(path)).toEqual(expected);
  },
  60_000,
);

test("a build says what it is made of and where it goes", async () => {
  const { stdout } = await promisify(execFile)(
    join(root, "node_modules/.bin/nx"),
    ["show", "project", "user", "--json"],
    {
      cwd: root,
    },
  );
  const { targets } = JSON.parse(stdout) as { targets: Record<string, unknown> };
  expect(targets["build"]).toMatchObject({
    cache: true,
    inputs: ["bundled", "^bundled", { env: "WEFT_VERSION" }],
    outputs: ["{workspaceRoot}/dist/apps/user"],
  });
}, 60_000);
