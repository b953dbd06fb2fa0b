import { aclSettings, openTestTokens, type TestTokens } from "@weft/consul/testing";
import type { Discovery } from "@weft/discovery";
import { newUuid, Secret } from "@weft/kit";
import { Recorder } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { beforeAll, expect, test } from "vitest";
import { openConsulDiscovery } from "./index.ts";

const instance = { service: "user", id: "a", address: "127.0.0.1:1", metadata: {} };
const rules = (access: string): string =>
  `service_prefix "weft-" { policy = "${access}" } node_prefix "" { policy = "read" }`;

describeBackend(
  "consul",
  (server) => {
    let tokens: TestTokens;
    beforeAll(async () => {
      tokens = await openTestTokens(server().port);
    });
    const open = (token: string): Promise<Discovery> =>
      openConsulDiscovery({ url: new Secret(`consul://:${token}@127.0.0.1:${server().port}`) });

    test("the documented policy is enough", async () => {
      await using discovery = await open(await tokens.allow(rules("write")));
      const lists = new Recorder(discovery.watch("user", new AbortController().signal));
      const registration = await discovery.register(instance, { ttlMs: 3000 });
      await lists.until(10_000, "the instance", (list) => list.instances.length === 1);
      // Longer than the TTL: beats are allowed too.
      await new Promise((resolve) => setTimeout(resolve, 3500));
      expect(await discovery.list()).toEqual([instance]);
      await registration[Symbol.asyncDispose]();
      await lists.until(10_000, "nobody", (list) => list.instances.length === 0);
    });

    test("a token that may only read can't register", async () => {
      await using discovery = await open(await tokens.allow(rules("read")));
      expect(await discovery.list()).toEqual([]);
      await expect(discovery.register(instance)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    });

    test("no token, an unknown one and one for other things are refused when it is opened", async () => {
      const url = new Secret(`consul://127.0.0.1:${server().port}`);
      await expect(openConsulDiscovery({ url })).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
      const unknown = newUuid();
      const refusal: unknown = await open(unknown).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ reason: "INVALID_CONFIGURATION" });
      expect(String(refusal)).not.toContain(unknown);
      const other = await tokens.allow('key_prefix "" { policy = "write" }');
      await expect(open(other)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    });

    test("a token that may not read nodes, which takes the instances out of the answers, makes a watch stale", async ({
      skip,
    }) => {
      const token = await tokens.allow('service_prefix "weft-" { policy = "write" }');
      const headers = { "x-consul-token": token };
      const services = await fetch(`http://127.0.0.1:${server().port}/v1/catalog/services`, { headers });
      if (!services.headers.has("x-consul-results-filtered-by-acls"))
        skip("this Consul is of before 1.11 and never says");
      await using discovery = await open(token);
      await discovery.register(instance);
      const lists = new Recorder(discovery.watch("user", new AbortController().signal));
      await lists.until(2000, "a stale list", (list) => list.stale);
    });
  },
  { settings: aclSettings },
);
