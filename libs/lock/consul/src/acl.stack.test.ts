import { aclSettings, openTestTokens, type TestTokens } from "@weft/consul/testing";
import { newUuid, Secret } from "@weft/kit";
import type { Locks } from "@weft/lock";
import { describeBackend } from "@weft/native/testing";
import { beforeAll, expect, test } from "vitest";
import { openConsulLocks } from "./index.ts";

const keys = 'key_prefix "weft/lock/" { policy = "write" }';

describeBackend(
  "consul",
  (server) => {
    let tokens: TestTokens;
    beforeAll(async () => {
      tokens = await openTestTokens(server().port);
    });
    const open = (token: string): Promise<Locks> =>
      openConsulLocks({ url: new Secret(`consul://:${token}@127.0.0.1:${server().port}`) });

    test("the documented policy is enough", async () => {
      await using locks = await open(await tokens.allow(`${keys} session_prefix "" { policy = "write" }`));
      const lease = await locks.acquire("job", { ttlMs: 3000 });
      // Longer than the TTL: it has been renewed.
      expect(await locks.acquire("job", { waitMs: 3500 })).toBeUndefined();
      expect(lease?.lost.aborted).toBe(false);
      await lease?.release();
      expect(await locks.acquire("job")).toBeDefined();
    });

    test("no token, an unknown one and one for other things are refused when it is opened", async () => {
      const url = new Secret(`consul://127.0.0.1:${server().port}`);
      await expect(openConsulLocks({ url })).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
      await expect(open(newUuid())).rejects.toMatchObject({ reason: "INVALID_CONFIGURATION" });
      const other = await tokens.allow('key_prefix "weft/config/" { policy = "write" }');
      await expect(open(other)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    });

    test("a token without rights on sessions is told so", async () => {
      await using locks = await open(await tokens.allow(keys));
      await expect(locks.acquire("job")).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    });
  },
  { settings: aclSettings },
);
