import { createHash } from "node:crypto";
import { deadLetterTopic, retryTopic } from "@weft/pubsub";

/** Kafka's limit on the name of a topic. */
const maxLength = 249;
/** The port's limit on what its callers name. */
const maxPlainLength = 200;
/** What stands between the names of a topic and of a group. */
const marks = [retryTopic("", ""), deadLetterTopic("", "")];
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

  /** Those of the namespace, under the names that `of` was given; names that begin with two underscores are Kafka's own. */
  plains(names: readonly string[]): readonly string[] {
    return names
      .filter((name) => name.startsWith(this.#prefix) && !name.startsWith("__"))
      .map((name) => this.plain(name));
  }
}

/** Of plain names of topics, those that neither hold retries nor dead letters of another one. */
export function withoutParked(topics: readonly string[]): readonly string[] {
  const all = new Set(topics);
  return topics.filter((topic) => {
    // Nobody can name a topic like those that were shortened.
    if (topic.length > maxPlainLength) return false;
    for (const mark of marks) {
      for (let at = topic.indexOf(mark); at !== -1; at = topic.indexOf(mark, at + 1)) {
        if (all.has(topic.slice(0, at))) return false;
      }
    }
    return true;
  });
}

/** Topic and group may fill a name by themselves: then a digest stands for its end. */
function shortened(name: string): string {
  if (name.length <= maxLength) return name;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 32);
  return `${name.slice(0, maxLength - digest.length - 1)}.${digest}`;
}
