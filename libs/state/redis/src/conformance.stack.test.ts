import { describeBackend } from "@weft/native/testing";
import { openRedis } from "@weft/redis";
import { describeStateConformance, describeStateModel } from "@weft/state/conformance";
import { Secret } from "@weft/kit";
import { beforeAll, describe } from "vitest";
import { openFixture, openFixtureOutOfTime } from "./fixture.ts";

describeBackend("redis", (server) => {
  describeStateConformance("redis", () => openFixture(server().url));
  describeStateModel("redis", () => openFixtureOutOfTime(server().url));
});

describe("a cluster of one node", () => {
  describeBackend(
    "redis",
    (server) => {
      beforeAll(async () => {
        await using node = await openRedis({ url: new Secret(server().url) });
        await node.call("cluster", ["addslotsrange", "0", "16383"]);
      });
      describeStateConformance("redis cluster", () => openFixture(`${server().url}?cluster=true`));
    },
    { settings: { "cluster-enabled": "yes", "cluster-announce-ip": "127.0.0.1" } },
  );
});
