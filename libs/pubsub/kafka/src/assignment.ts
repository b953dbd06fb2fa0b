import { AssignerProtocol, type Assignment, type GroupMember, type GroupMemberAssignment } from "kafkajs";

/** What members of a group agree on before they share; another name would keep out members that assign differently. */
export const protocolName = "weft";

/** What a member says of itself when it joins. */
export function metadataOf(topics: readonly string[]): Buffer {
  return AssignerProtocol.MemberMetadata.encode({ version: 1, topics: [...topics], userData: Buffer.alloc(0) });
}

/** What the leader wrote for one member. */
export function assignmentOf(encoded: Buffer): Assignment {
  return encoded.length === 0 ? {} : (AssignerProtocol.MemberAssignment.decode(encoded)?.assignment ?? {});
}

/** Topics of any member. */
export function topicsOf(members: readonly GroupMember[]): readonly string[] {
  return [...new Set(members.flatMap(topicsOfMember))].sort();
}

/**
 * Shares the partitions: each goes to one member that subscribes to its topic (kafkajs' own assigner gives it to any),
 * and shares of members with the same topics differ by one at most. The same members get the same shares.
 *
 * @param partitions number of partitions of each topic
 */
export function share(
  members: readonly GroupMember[],
  partitions: ReadonlyMap<string, number>,
): GroupMemberAssignment[] {
  const shares = new Map<string, Record<string, number[]>>(members.map(({ memberId }) => [memberId, {}]));
  const topicsOfEach = new Map(members.map((member) => [member.memberId, new Set(topicsOfMember(member))]));
  let turn = 0;
  for (const topic of [...partitions.keys()].sort()) {
    const takers = [...shares.keys()].filter((id) => topicsOfEach.get(id)?.has(topic)).sort();
    if (takers.length === 0) continue;
    for (let partition = 0; partition < (partitions.get(topic) ?? 0); partition += 1) {
      const mine = shares.get(takers[turn % takers.length] ?? "") ?? {};
      (mine[topic] ??= []).push(partition);
      turn += 1;
    }
  }
  return [...shares].map(([memberId, assignment]) => ({
    memberId,
    memberAssignment: AssignerProtocol.MemberAssignment.encode({
      version: 1,
      assignment,
      userData: Buffer.alloc(0),
    }),
  }));
}

function topicsOfMember({ memberMetadata }: GroupMember): readonly string[] {
  return AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? [];
}
