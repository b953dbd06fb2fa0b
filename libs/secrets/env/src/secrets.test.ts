import { describeSecretsConformance } from "@weft/secrets/conformance";
import { expect, test } from "vitest";
import { openEnvSecrets } from "./index.ts";

describeSecretsConformance("environment", async () => {
  const env: Record<string, string | undefined> = { PATH: "/bin", WEFT_SECRET_: "no name" };
  return {
    store: await openEnvSecrets({ env }),
    put: async (name, value) => void (env[`WEFT_SECRET_${name.toUpperCase().replaceAll("-", "_")}`] = value),
    [Symbol.asyncDispose]: async () => undefined,
  };
});

test("names are folded to those of variables, under the prefix asked for", async () => {
  await using store = await openEnvSecrets({ env: { APP_SMTP_PASSWORD: "x", WEFT_SECRET_OTHER: "y" }, prefix: "APP_" });
  for (const name of ["smtp-password", "smtp.password", "SMTP_PASSWORD"]) {
    expect((await store.get(name))?.reveal()).toBe("x");
  }
  expect(await store.list()).toEqual(["smtp-password"]);
  await expect(openEnvSecrets({ env: {}, prefix: "" })).rejects.toMatchObject({ reason: "INVALID_CONFIGURATION" });
});
