import { WeftError } from "@weft/kit";
import type { Broker, GroupMember, GroupMemberAssignment, GroupState, Message } from "kafkajs";

/** A record to be written. `partition` where the key does not decide. */
export interface OutgoingRecord extends Message {
  readonly headers?: Record<string, string>;
}

/** A record as a fetch brings it. */
export interface KafkaRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Milliseconds since the epoch. */
  readonly timestamp: string;
  readonly offset: string;
  readonly headers?: Readonly<Record<string, Buffer | string | null | (Buffer | string | null)[] | undefined>>;
  /** Written by the broker for itself. */
  readonly isControlRecord?: boolean;
  /** Of the batch that the record was written with; compaction may have taken its last records away. */
  readonly batchContext?: { readonly firstOffset: string; readonly lastOffsetDelta: number };
}

/** The answer to a fetch. */
export interface FetchAnswer {
  readonly responses: readonly {
    readonly topicName: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly highWatermark: string;
      readonly messages: readonly KafkaRecord[];
    }[];
  }[];
}

/** The part of kafkajs' broker that its types leave out: a member's talk with its coordinator, and which groups there are. */
export interface GroupBroker extends Broker {
  joinGroup(request: {
    groupId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    memberId: string;
    groupProtocols: GroupState[];
  }): Promise<{ generationId: number; leaderId: string; memberId: string; members: GroupMember[] }>;
  syncGroup(request: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: GroupMemberAssignment[];
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
  /** Those whose coordinator this broker is. */
  listGroups(): Promise<{ groups: readonly { groupId: string }[] }>;
}

/** `INTERNAL` when this kafkajs is not the one that the adapter was written for. */
export function groupBroker(broker: Broker): GroupBroker {
  if (isGroupBroker(broker)) return broker;
  throw new WeftError("INTERNAL", "this version of kafkajs has no group requests");
}

function isGroupBroker(broker: Broker): broker is GroupBroker {
  return ["joinGroup", "syncGroup", "heartbeat", "leaveGroup", "listGroups"].every((name) => name in broker);
}
