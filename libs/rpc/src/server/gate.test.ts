import { createServer } from "node:http2";
import { Server } from "@grpc/grpc-js";
import { ManualClock } from "@weft/kit";
import { expect, test } from "vitest";
import { allowResets, http2ServersOf } from "./connections.ts";
import { gate } from "./gate.ts";
import { ServerLoad } from "./load.ts";

test("a grpc-js without one of the fields that are used, and not published, is found at the start", () => {
  const load = new ServerLoad({ name: "s", clock: new ManualClock(), onDecision: undefined, overload: {} });
  const gated = (): void => gate(createServer(), { plans: new Map(), load, onRefused: () => undefined });
  expect(gated).toThrow("grpc-js has changed: it does not listen for streams any more");
  const server = new Server();
  // It does not listen yet.
  expect(() => http2ServersOf(server)).toThrow("grpc-js has changed: its server has no http2Servers any more");
  Reflect.deleteProperty(server, "commonServerOptions");
  expect(() => allowResets(server, { burst: 1, perSecond: 1 })).toThrow("commonServerOptions");
});
