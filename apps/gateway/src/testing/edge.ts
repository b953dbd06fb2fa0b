import { services } from "@weft/contracts";
import { loadConfig, silentLog } from "@weft/kit";
import { createEdge, type Edge } from "../http/server.ts";
import { type GatewayConfig, settings } from "../settings.ts";
import { FakeTransport } from "./fake-transport.ts";

/** An edge over a fake transport, for tests. */
export interface TestEdge extends AsyncDisposable {
  readonly edge: Edge;
  readonly fake: FakeTransport;
  /** `http://127.0.0.1:port` */
  readonly url: string;
}

/** Listens on a free port of 127.0.0.1. */
export async function openTestEdge(config: Partial<GatewayConfig> = {}): Promise<TestEdge> {
  const fake = new FakeTransport();
  const defaults = loadConfig(settings, { env: {}, argv: [] });
  const edge = createEdge({
    services,
    transport: () => fake,
    config: { ...defaults, port: 0, ...config },
    log: silentLog,
  });
  const url = `http://${await edge.listen()}`;
  return { edge, fake, url, [Symbol.asyncDispose]: () => edge.drain(AbortSignal.timeout(50)) };
}

/** A header that passes for a token. */
export const token = { authorization: "Bearer some.good.token" };
