import { createHash } from "node:crypto";
import { deadLetterTopic, retryTopic } from "@weft/pubsub";

/** Kafka's limit on the name of a topic. */
const maxLength = 249;
/** Its names stand on the broker as they are, so that other clients find `weft.user.v1` under its name. */
const plainNamespace = "weft";

/** Names on the broker: those of a namespace other than the default begin with it and a dot. */
export class Names {
  readonly #prefix: string;

  constructor(namespace: string) {
    this.#prefix = namespace === plainNamespace ? "" : `${namespace}.`;
  }

  /** Of a topic or a group. */
  of(name: string): string {
    return this.#prefix + name;
  }

  retry(topic: string, group: string): string {
    return shortened(this.of(retryTopic(topic, group)));
  }

  dead(topic: string, group: string): string {
    return shortened(this.of(deadLetterTopic(topic, group)));
  }

  /** The name that `of` was given. */
  plain(name: string): string {
    return name.slice(this.#prefix.length);
  }
}

/** Topic and group may fill a name by themselves: then a digest stands for its end. */
function shortened(name: string): string {
  if (name.length <= maxLength) return name;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 32);
  return `${name.slice(0, maxLength - digest.length - 1)}.${digest}`;
}
