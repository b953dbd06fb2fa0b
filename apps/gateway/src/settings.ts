import { type ConfigOf, type Setting, setting } from "@weft/kit";
import { isProxy } from "./limits/addresses.ts";
import { readLimits } from "./limits/config.ts";

const mib = 1024 * 1024;

const proxies = setting.list("gateway.trustedProxies", {
  default: [],
  hot: true,
  about:
    "Addresses and networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` is believed, so that callers behind them are told apart.",
});

/** The same, with each proxy looked at. */
const trustedProxies: Setting<readonly string[]> = {
  ...proxies,
  parse(raw) {
    const parsed = proxies.parse(raw);
    const bad = "value" in parsed ? parsed.value.find((proxy) => !isProxy(proxy)) : undefined;
    if (bad === undefined) return parsed;
    return { problem: `${JSON.stringify(bad)} is neither an address nor a network like 10.0.0.0/8` };
  },
};

/** What can be configured at the gateway. */
export const settings = {
  port: setting.integer("port", {
    default: 8080,
    min: 0,
    max: 65_535,
    about: "Port of the HTTP edge; 0 takes a free one.",
  }),
  httpHost: setting.text("gateway.host", { default: "127.0.0.1", about: "Address that the HTTP edge listens on." }),
  corsOrigins: setting.list("gateway.corsOrigins", {
    default: [],
    about: "Origins of web pages that may call the edge, for example https://app.example.org; * is any.",
  }),
  maxConnections: setting.integer("gateway.maxConnections", {
    default: 10_000,
    min: 1,
    about: "Connections to the HTTP edge at a time; more are closed at once.",
  }),
  maxBodyBytes: setting.integer("gateway.maxBodyBytes", {
    default: mib,
    min: 1024,
    max: 64 * mib,
    about: "Largest body of a request that is answered as a whole.",
  }),
  maxStreamBytes: setting.integer("gateway.maxStreamBytes", {
    default: 1024 * mib,
    min: 1024,
    about: "Largest body of an upload line by line.",
  }),
  maxLineBytes: setting.integer("gateway.maxLineBytes", {
    default: mib,
    min: 1024,
    max: 3 * mib,
    about: "Longest line of an upload; a longer one is reported, the rest goes in.",
  }),
  maxHeaderBytes: setting.integer("gateway.maxHeaderBytes", {
    default: 16 * 1024,
    min: 4096,
    max: mib,
    about: "All headers of a request together.",
  }),
  maxUrlBytes: setting.integer("gateway.maxUrlBytes", { default: 8 * 1024, min: 256, max: mib, about: "Longest URL." }),
  requestTimeoutMs: setting.durationMs("gateway.requestTimeoutMs", {
    default: 30_000,
    min: 100,
    about: "Time for a request's headers and body to arrive; of an upload, for the next piece of it.",
  }),
  heartbeatMs: setting.durationMs("gateway.heartbeatMs", {
    default: 15_000,
    min: 10,
    about: "Time between comments on an event stream, which keep proxies from closing it.",
  }),
  limits: setting.json("gateway.limits", {
    read: readLimits,
    default: {},
    hot: true,
    about:
      "Rate limits that are not to be the default ones: by rate class, and by who shares one. See [limits](../guides/limits.md).",
  }),
  trustedProxies,
};

/** The values of the gateway's settings. */
export type GatewayConfig = ConfigOf<typeof settings>;
