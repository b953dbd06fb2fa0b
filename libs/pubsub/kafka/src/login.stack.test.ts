import { Secret } from "@weft/kit";
import { Stopwatch } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { expect, test } from "vitest";
import { openKafkaPubSub } from "./index.ts";

const users = 'user_admin="admin-secret" user_ann="p@ss"';
const settings = {
  "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_PLAINTEXT",
  "sasl.enabled.mechanisms": "PLAIN",
  "sasl.mechanism.inter.broker.protocol": "PLAIN",
  "listener.name.plaintext.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="admin-secret" ${users};`,
};

describeBackend(
  "kafka",
  (server) => {
    const url = (login: string): Secret => new Secret(`kafka://${login}127.0.0.1:${server().port}`);

    test("who has a login may come in", async () => {
      await using pubsub = await openKafkaPubSub({ url: url("ann:p%40ss@") });
      await pubsub.ensureTopic("t", { partitions: 1 });
      await pubsub.publish("t", []);
    });

    test("a wrong password is a matter of configuration, at once, and is not repeated", async () => {
      using passed = new Stopwatch();
      const error = await openKafkaPubSub({ url: url("ann:wr0ng@") }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ reason: "INVALID_CONFIGURATION" });
      expect(String(error)).not.toContain("wr0ng");
      expect(passed.ms).toBeLessThan(5000);
    });

    test("a broker that wants a login and is given none is unavailable", async () => {
      await expect(openKafkaPubSub({ url: url(""), deadlineMs: 3000 })).rejects.toMatchObject({
        code: expect.stringMatching(/UNAVAILABLE|DEADLINE_EXCEEDED/),
      });
    });
  },
  { settings },
);
