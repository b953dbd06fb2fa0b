import type { DeadLetter, PubSub } from "@weft/pubsub";
import { findReaders } from "./readers.ts";

const limits = { default: 100, max: 500 };

/** Data of one answer, in bytes: a message of gRPC has at most four mebibytes. */
const maxAnswerBytes = 3_000_000;

export interface DeadLetterQuery {
  /** Empty: all; the same of the others. */
  readonly topic: string;
  readonly group: string;
  readonly key: string;
  readonly reason: string;
  /** 0 means 100; over 500 is taken as 500. */
  readonly limit: number;
}

/** The newest failures first, over all topics and groups that are asked for. */
export async function listDeadLetters(
  pubsub: Pick<PubSub, "topics" | "deadLetters">,
  query: DeadLetterQuery,
): Promise<{ readonly deadLetters: readonly DeadLetter[]; readonly more: boolean }> {
  const limit = query.limit === 0 ? limits.default : Math.min(query.limit, limits.max);
  const filter = {
    ...(query.key === "" ? {} : { key: query.key }),
    ...(query.reason === "" ? {} : { reason: query.reason }),
    // One more than asked for tells whether there are more.
    limit: limit + 1,
  };
  let found: readonly DeadLetter[] = [];
  for (const { topic, groups } of await findReaders(pubsub, query)) {
    for (const group of groups) {
      const ofGroup = await pubsub.deadLetters({ topic, group, ...filter });
      found = [...found, ...ofGroup].toSorted((a, b) => b.time - a.time).slice(0, limit + 1);
    }
  }
  const deadLetters = fitting(found.slice(0, limit));
  return { deadLetters, more: deadLetters.length < found.length };
}

/** As many of the first as one answer takes; one always goes in. */
function fitting(found: readonly DeadLetter[]): readonly DeadLetter[] {
  let bytes = 0;
  const end = found.findIndex((letter, index) => {
    bytes += bytesOf(letter);
    return index > 0 && bytes > maxAnswerBytes;
  });
  return end < 0 ? found : found.slice(0, end);
}

function bytesOf({ delivery: { key, event }, detail }: DeadLetter): number {
  const { id, source, type, subject = "", extensions } = event;
  const texts = [key, id, source, type, subject, detail, ...Object.values(extensions)];
  return event.data.byteLength + texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
