/** Number of the lane in which the deliveries of a topic wait to be retried. */
export const retryNumber = -1;

/** What one member works through on its own: a partition of a topic, or the topic's retries. */
export interface LaneId {
  readonly topic: string;
  /** Of the partition, or {@link retryNumber}. */
  readonly number: number;
}

export interface GroupMember {
  readonly id: string;
  readonly topics: readonly string[];
}

/**
 * The lanes of the member `id`. Every member comes to the same answer from the same members, so nobody has to hand it
 * out; each lane goes to exactly one member, and shares differ by one lane a topic at most.
 *
 * @param partitions number of partitions of each topic of the member
 */
export function lanesOf(
  id: string,
  members: readonly GroupMember[],
  partitions: ReadonlyMap<string, number>,
): readonly LaneId[] {
  const lanes: LaneId[] = [];
  for (const [topic, count] of partitions) {
    const sharing = members.filter((member) => member.topics.includes(topic)).map((member) => member.id);
    const place = sharing.sort().indexOf(id);
    if (place === -1) continue;
    for (let number = retryNumber; number < count; number += 1) {
      if ((number + 1) % sharing.length === place) lanes.push({ topic, number });
    }
  }
  return lanes;
}
