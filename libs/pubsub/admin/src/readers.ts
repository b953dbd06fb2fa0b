import { WeftError } from "@weft/kit";
import type { PubSub, TopicInfo } from "@weft/pubsub";

/** Of whom something is asked; an empty name means all. */
export interface Readers {
  readonly topic: string;
  readonly group: string;
}

/**
 * The topics with those of their groups that are asked for. `NOT_FOUND`, with what there is, for a topic that is not
 * there and a group that reads none of them: a misspelt name is not to look like nothing to do.
 */
export async function findReaders(
  pubsub: Pick<PubSub, "topics">,
  { topic, group }: Readers,
): Promise<readonly TopicInfo[]> {
  const all = await pubsub.topics();
  const ofTopic = topic === "" ? all : all.filter((info) => info.topic === topic);
  const names = all.map((info) => info.topic);
  if (topic !== "" && ofTopic.length === 0) throw notFound(`topic ${topic}`, names);
  if (group === "") return ofTopic;
  const found = ofTopic.filter(({ groups }) => groups.includes(group));
  const known = new Set(ofTopic.flatMap(({ groups }) => groups));
  if (found.length === 0) throw notFound(`group ${group}${topic === "" ? "" : ` of ${topic}`}`, [...known].sort());
  return found.map((info) => ({ ...info, groups: [group] }));
}

function notFound(what: string, known: readonly string[]): WeftError {
  const there = known.length === 0 ? "" : `; there ${known.length === 1 ? "is" : "are"} ${known.join(", ")}`;
  return new WeftError("NOT_FOUND", `there is no ${what}${there}`);
}
