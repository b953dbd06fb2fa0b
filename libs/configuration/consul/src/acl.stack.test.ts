import type { ConfigurationStore } from "@weft/configuration";
import { aclSettings, openTestTokens, type TestTokens } from "@weft/consul/testing";
import { newUuid, Secret } from "@weft/kit";
import { describeBackend } from "@weft/native/testing";
import { beforeAll, expect, test } from "vitest";
import { openConsulConfiguration } from "./index.ts";

const rules = (access: string): string => `key_prefix "weft/config/" { policy = "${access}" }`;

describeBackend(
  "consul",
  (server) => {
    let tokens: TestTokens;
    beforeAll(async () => {
      tokens = await openTestTokens(server().port);
    });
    const open = (token: string): Promise<ConfigurationStore> =>
      openConsulConfiguration({ url: new Secret(`consul://:${token}@127.0.0.1:${server().port}`) });

    test("the documented policies are enough, to write and to read", async () => {
      await using writer = await open(await tokens.allow(rules("write")));
      await writer.set("a", "1");
      await using reader = await open(await tokens.allow(rules("read")));
      expect((await reader.get([])).get("a")).toMatchObject({ value: "1" });
      await expect(reader.set("a", "2")).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
      await expect(reader.set("a", undefined)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    });

    test("no token, an unknown one and one for other things are refused when it is opened", async () => {
      const url = new Secret(`consul://127.0.0.1:${server().port}`);
      await expect(openConsulConfiguration({ url })).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
      await expect(open(newUuid())).rejects.toMatchObject({ reason: "INVALID_CONFIGURATION" });
      const other = await tokens.allow('key_prefix "weft/lock/" { policy = "write" }');
      await expect(open(other)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    });
  },
  { settings: aclSettings },
);
