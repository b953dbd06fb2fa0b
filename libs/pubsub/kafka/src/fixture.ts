import { type Log, newUuid, Secret, silentLog } from "@weft/kit";
import type { PubSub } from "@weft/pubsub";
import type { PubSubFixture } from "@weft/pubsub/conformance";
import { KafkaPubSub } from "./pubsub.ts";

/** For brokers of tests: deaths should not take long. */
export const brokerSettings = { "group.min.session.timeout.ms": "1000" };

/** A URL with a namespace of its own. */
export function freshUrl(url: string): string {
  return `${url}?namespace=t${newUuid().slice(-12)}`;
}

/** A namespace of its own for each test. */
export async function openFixture(url: string, log: Log = silentLog): Promise<PubSubFixture> {
  const fresh = new Secret(freshUrl(url));
  const handles: KafkaPubSub[] = [];
  return {
    async open(): Promise<PubSub> {
      const handle = new KafkaPubSub({ url: fresh, log });
      await handle.ready();
      handles.push(handle);
      return handle;
    },
    async kill(pubsub) {
      handles.find((handle) => handle === pubsub)?.abandon();
    },
    async [Symbol.asyncDispose]() {
      // A failed law may leave handlers that never end: don't wait for them.
      for (const handle of handles) handle.abandon();
    },
  };
}
