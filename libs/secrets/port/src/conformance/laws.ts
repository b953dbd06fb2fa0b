import assert from "node:assert/strict";
import { inspect } from "node:util";
import { isWeftError, Secret } from "@weft/kit";
import type { Law } from "@weft/kit/testing";
import type { SecretsFixture } from "./fixture.ts";

/** The laws of {@link SecretStore}. */
export const laws: readonly Law<SecretsFixture>[] = [
  {
    title: "X1 a secret reads as it was put, and a missing or empty one as undefined",
    run: async ({ store, put }) => {
      await put("smtp-password", "p@ss wörd\tof\nlines $HOME");
      await put("empty", "");
      assert.equal((await store.get("smtp-password"))?.reveal(), "p@ss wörd\tof\nlines $HOME");
      assert.equal(await store.get("missing"), undefined);
      assert.equal(await store.get("empty"), undefined);
    },
  },
  {
    title: "X1 list gives the names, sorted",
    run: async ({ store, put }) => {
      assert.deepEqual(await store.list(), []);
      for (const name of ["smtp-password", "api-key"]) await put(name, "s3cret");
      const names = await store.list();
      assert.deepEqual(names, ["api-key", "smtp-password"]);
      for (const name of names) assert.ok(await store.get(name));
    },
  },
  {
    title: "X2 a secret prints as ***",
    run: async ({ store, put }) => {
      await put("api-key", "s3cret");
      const secret = await store.get("api-key");
      assert.ok(secret instanceof Secret);
      const prints = [
        `${String(secret)}`,
        inspect({ secret }),
        JSON.stringify({ secret }),
        inspect(secret, { showHidden: true }),
      ];
      for (const print of prints) {
        assert.ok(print.includes("***"), print);
        assert.ok(!print.includes("s3cret"), "the secret was printed");
      }
    },
  },
  {
    title: "X3 a name that leaves the store is INVALID_ARGUMENT",
    run: async ({ store, put }) => {
      await put("api-key", "s3cret");
      const names = [
        "",
        ".",
        "..",
        "../api-key",
        "x/../api-key",
        "/etc/passwd",
        "a\\b",
        "a\0",
        "a b",
        ".hidden",
        "x".repeat(300),
      ];
      for (const name of names) {
        await assert.rejects(
          () => store.get(name),
          (error) => isWeftError(error, "INVALID_ARGUMENT"),
          `'${name}' was taken`,
        );
      }
    },
  },
  {
    title: "X4 a secret that changes or goes is seen by the next get",
    run: async ({ store, put }) => {
      for (const value of ["one", "two", undefined, "three"]) {
        await put("api-key", value);
        assert.equal((await store.get("api-key"))?.reveal(), value);
      }
    },
  },
];
