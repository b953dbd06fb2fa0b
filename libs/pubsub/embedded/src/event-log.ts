import { type KeyedEvent, partitionOf, type TopicInfo } from "@weft/pubsub";
import type { SqliteFile } from "@weft/sqlite";
import { type EventRow, fromRow, toRow } from "./rows.ts";

/** Number of partitions of a topic that nobody asked another number for. */
const defaultPartitions = 8;

/** An event and its place in a partition. */
export interface LogEntry extends KeyedEvent {
  readonly offset: number;
  /** When it was published, in milliseconds since the epoch. */
  readonly at: number;
}

/** Bounds of one read: at least one entry comes, however large. */
export interface ReadLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

interface Partition {
  readonly id: number;
  readonly number: number;
  readonly next: number;
}

/** The append-only partitions of every topic. */
export class EventLog {
  readonly #file: SqliteFile;
  /** Ids of partitions in order of number, which never change. Filled by reads alone: a write may be rolled back. */
  readonly #ids = new Map<string, readonly number[]>();

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  /** Makes the topic unless it is there. */
  ensureTopic(topic: string, partitions = defaultPartitions): void {
    if (this.#partitions(topic).length > 0) return;
    this.#file.transaction(() => {
      if (this.#partitions(topic).length > 0) return;
      for (let number = 0; number < partitions; number += 1) {
        this.#file.run("INSERT INTO partition (topic, number) VALUES (?, ?)", topic, number);
      }
    });
  }

  /** Appends events, in order. Belongs into a transaction. */
  append(topic: string, events: readonly KeyedEvent[], now: number): void {
    this.ensureTopic(topic);
    const partitions = this.#partitions(topic);
    const next = partitions.map((partition) => partition.next);
    for (const event of events) {
      const number = partitionOf(event.key, partitions.length);
      const { key, attributes, data } = toRow(event);
      const offset = next[number] ?? 0;
      this.#file.run(
        "INSERT INTO event (partition, offset, at, key, attributes, data) VALUES (?, ?, ?, ?, ?, ?)",
        partitions[number]?.id ?? 0,
        offset,
        now,
        key,
        attributes,
        data,
      );
      next[number] = offset + 1;
    }
    for (const { id, number, next: before } of partitions) {
      const after = next[number] ?? before;
      if (after > before) this.#file.run("UPDATE partition SET next = ? WHERE id = ?", after, id);
    }
  }

  /** Entries of a partition from offset `from` on. */
  read(topic: string, number: number, from: number, limits: ReadLimits): readonly LogEntry[] {
    const id = this.#partitionIds(topic)[number];
    const entries: LogEntry[] = [];
    if (id === undefined) return entries;
    const sql =
      "SELECT offset, at, key, attributes, data FROM event WHERE partition = ? AND offset >= ? ORDER BY offset LIMIT ?";
    let bytes = 0;
    for (const row of this.#file.iterate<EventRow & { offset: number; at: number }>(sql, id, from, limits.maxEvents)) {
      bytes += row.data.byteLength + row.attributes.length;
      if (entries.length > 0 && bytes > limits.maxBytes) break;
      entries.push({ ...fromRow(row), offset: row.offset, at: row.at });
    }
    return entries;
  }

  /** The offset of the first event of a partition that was published at or after `time`; of the one to come if there is none. */
  offsetAt(topic: string, number: number, time: number): number {
    const id = this.#partitionIds(topic)[number] ?? -1;
    const at = (offset: number): { offset: number; at: number } | undefined =>
      this.#file.get(
        "SELECT offset, at FROM event WHERE partition = ? AND offset >= ? ORDER BY offset LIMIT 1",
        id,
        offset,
      );
    // Offsets and times grow together, and there is no index by time: it would cost more to write than this to read.
    let high = this.end(topic, number);
    let low = at(0)?.offset ?? high;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = at(middle);
      if (found === undefined || found.at >= time) high = middle;
      else low = found.offset + 1;
    }
    return low;
  }

  /** The offset of the event to come in a partition. */
  end(topic: string, number: number): number {
    const id = this.#partitionIds(topic)[number] ?? -1;
    return this.#file.get<{ next: number }>("SELECT next FROM partition WHERE id = ?", id)?.next ?? 0;
  }

  /** The same for each partition, in order of number. */
  ends(topic: string): readonly number[] {
    return this.#partitions(topic).map((partition) => partition.next);
  }

  /** Every topic, with how many partitions it has and which groups have been its members, by name. */
  topics(): readonly TopicInfo[] {
    const groups = new Map<string, string[]>();
    const sql = "SELECT DISTINCT topic, consumer_group AS name FROM cursor ORDER BY topic, consumer_group";
    for (const { topic, name } of this.#file.all<{ topic: string; name: string }>(sql)) {
      groups.set(topic, [...(groups.get(topic) ?? []), name]);
    }
    return this.#file
      .all<{ topic: string; partitions: number }>(
        "SELECT topic, COUNT(*) AS partitions FROM partition GROUP BY topic ORDER BY topic",
      )
      .map((row) => ({ ...row, groups: groups.get(row.topic) ?? [] }));
  }

  /**
   * Drops events published before `before` that every group of their topic has passed.
   *
   * @returns how many, at most `limit` for each partition
   */
  trim(before: number, limit: number): number {
    const done = this.#file.all<{ id: number; passed: number }>(
      `SELECT p.id, MIN(COALESCE(c.committed, p.next)) AS passed
       FROM partition p LEFT JOIN cursor c ON c.topic = p.topic AND c.number = p.number GROUP BY p.id`,
    );
    let dropped = 0;
    for (const { id, passed } of done) {
      // Offsets and times grow together, so the first that is too young ends the walk.
      const old = this.#file.all<{ offset: number; at: number }>(
        "SELECT offset, at FROM event WHERE partition = ? AND offset < ? ORDER BY offset LIMIT ?",
        id,
        passed,
        limit,
      );
      const last = (old[0]?.at ?? before) < before ? old.findLast((row) => row.at < before) : undefined;
      if (last === undefined) continue;
      dropped += this.#file.run("DELETE FROM event WHERE partition = ? AND offset <= ?", id, last.offset);
    }
    return dropped;
  }

  #partitions(topic: string): readonly Partition[] {
    return this.#file.all("SELECT id, number, next FROM partition WHERE topic = ? ORDER BY number", topic);
  }

  #partitionIds(topic: string): readonly number[] {
    const known = this.#ids.get(topic);
    if (known !== undefined) return known;
    const ids = this.#partitions(topic).map((partition) => partition.id);
    if (ids.length > 0) this.#ids.set(topic, ids);
    return ids;
  }
}
