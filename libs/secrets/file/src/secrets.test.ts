import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeSecretsConformance } from "@weft/secrets/conformance";
import { expect, test } from "vitest";
import { openFileSecrets } from "./index.ts";

describeSecretsConformance("file", async () => {
  const directory = await newFolder();
  return {
    store: await openFileSecrets({ directory }),
    put: async (name, value) => {
      await rm(join(directory, name), { force: true });
      // As an editor writes it: with a line break at the end.
      if (value !== undefined) await writeFile(join(directory, name), `${value}\n`, { mode: 0o600 });
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
});

test.skipIf(process.platform === "win32")("a file that is open to others is refused", async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await newFolder();
  stack.defer(() => rm(directory, { recursive: true }));
  await using store = await openFileSecrets({ directory });
  await writeFile(join(directory, "key"), "s3cret");
  for (const [mode, allowed] of [
    [0o400, true],
    [0o640, true],
    [0o644, false],
    [0o660, false],
    [0o602, false],
  ] as const) {
    await chmod(join(directory, "key"), mode);
    const reading = store.get("key");
    if (allowed) expect((await reading)?.reveal()).toBe("s3cret");
    else await expect(reading).rejects.toMatchObject({ reason: "FAILED_PRECONDITION" });
  }
});

test("a mount of Kubernetes is read: links to hidden folders, replaced as a whole", async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await newFolder();
  stack.defer(() => rm(directory, { recursive: true }));
  await mkdir(join(directory, "..2026"));
  await writeFile(join(directory, "..2026", "key"), "s3cret", { mode: 0o440 });
  await symlink("..2026", join(directory, "..data"));
  await symlink(join("..data", "key"), join(directory, "key"));
  await using store = await openFileSecrets({ directory });
  expect(await store.list()).toEqual(["key"]);
  expect((await store.get("key"))?.reveal()).toBe("s3cret");
});

test("a missing folder, a folder for a secret, and a huge file are no secrets", async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await newFolder();
  stack.defer(() => rm(directory, { recursive: true }));
  await expect(openFileSecrets({ directory: join(directory, "missing") })).rejects.toMatchObject({
    reason: "INVALID_CONFIGURATION",
  });
  await using store = await openFileSecrets({ directory });
  await mkdir(join(directory, "folder"));
  expect(await store.get("folder")).toBeUndefined();
  await writeFile(join(directory, "huge"), "x".repeat(70_000), { mode: 0o600 });
  await expect(store.get("huge")).rejects.toMatchObject({ reason: "FAILED_PRECONDITION" });
});

function newFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "weft-secrets-"));
}
