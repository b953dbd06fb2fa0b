import { newUuid } from "@weft/kit";
import { type FaultProxy, openProxy, within } from "@weft/kit/testing";

/** An empty namespace on a Consul agent, reached through a proxy of its own: for one test. Disposing closes the proxy. */
export interface TestNamespace extends AsyncDisposable {
  readonly proxy: FaultProxy;
  /** For any of the adapters. */
  readonly url: string;
  /** As the fixtures of the conformance suites want it. */
  cut(): Promise<{ restore(): Promise<void> }>;
}

/** @param port of an agent on 127.0.0.1 */
export async function openTestNamespace(port: number): Promise<TestNamespace> {
  const proxy = await openProxy(port);
  return {
    proxy,
    url: `consul://127.0.0.1:${proxy.port}?namespace=t${newUuid().slice(-12)}`,
    cut: async () => {
      await proxy.cut();
      return { restore: () => proxy.restore() };
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

/** Settings of a Consul that refuses what no token allows. */
export const aclSettings = { acl: '{ enabled = true, default_policy = "deny" }' } as const;

/** Makes tokens on a new agent with {@link aclSettings}. */
export interface TestTokens {
  /** A token that may do what the rules say, written as in Consul's policies. */
  allow(rules: string): Promise<string>;
}

/** @param port of the agent on 127.0.0.1 */
export async function openTestTokens(port: number): Promise<TestTokens> {
  const put = async (path: string, body: object, token = ""): Promise<Record<string, string>> => {
    const init = { method: "PUT", headers: { "x-consul-token": token }, body: JSON.stringify(body) };
    const response = await fetch(`http://127.0.0.1:${port}/v1/${path}`, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`Consul refused ${path}: ${text}`);
    return text === "" ? {} : (JSON.parse(text) as Record<string, string>);
  };
  let management = "";
  // A new one of before 1.11 says for a moment that it is 'in legacy mode'.
  await within(10_000, "the agent gives its first token", async () => {
    management = (await put("acl/bootstrap", {}).catch(() => undefined))?.["SecretID"] ?? "";
    return management !== "";
  });
  // With its own, the agent takes out of the catalogue what left.
  await put("agent/token/agent", { Token: management }, management);
  return {
    allow: async (rules) => {
      const name = newUuid();
      await put("acl/policy", { Name: name, Rules: rules }, management);
      return (await put("acl/token", { Policies: [{ Name: name }] }, management))["SecretID"] ?? "";
    },
  };
}
