import {
  type DeadLetterFilter,
  deadLetterTopic,
  decodeFailed,
  encodeFailed,
  type Failed,
  failureAttributes,
  redriven,
  retryTopic,
} from "@weft/pubsub";
import type { SqliteFile } from "@weft/sqlite";
import type { ReadLimits } from "./event-log.ts";
import { type EventRow, fromRow, toRow } from "./rows.ts";

/** What is taken into memory, or written, at once. */
const page = { maxEvents: 200, maxBytes: 1_000_000 };
const maxListedBytes = 32_000_000;

/** The dead letters that a filter means: the parameters are those of {@link filterOf}. */
const filtered = `queue = ? AND event_id = COALESCE(?, event_id) AND key = COALESCE(?, key)
  AND (? IS NULL OR json_extract(attributes, '$.extensions.${failureAttributes.reason}') = ?)`;

/** A failed delivery in the file. */
export interface ParkedEntry {
  readonly id: number;
  readonly failed: Failed;
}

/** Queues whose entries are tried. */
const tried: readonly Queue[] = ["retry", "replay"];

type ParkedRow = EventRow & { readonly id: number };

/** Where a delivery stands beside its partition. What is replayed stands by itself, or a failure would wait behind all of it. */
export type Queue = "retry" | "replay" | "dead";

/** Deliveries beside their partitions: those to be tried again, ordered by when they are due, and the dead letters. */
export class Parked {
  readonly #file: SqliteFile;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  /** Writes a delivery of `group`; `id` is the entry that it came from, unless it came from its partition. */
  put(queue: Queue, group: string, failed: Failed, id: number | null = null): void {
    if (id !== null) this.remove(id);
    const { key, attributes, data } = toRow(encodeFailed(failed));
    this.#file.run(
      "INSERT INTO parked (queue, due, event_id, key, attributes, data) VALUES (?, ?, ?, ?, ?, ?)",
      nameOf(queue, failed.delivery.topic, group),
      failed.due,
      failed.delivery.event.id,
      key,
      attributes,
      data,
    );
  }

  remove(id: number): void {
    this.#file.run("DELETE FROM parked WHERE id = ?", id);
  }

  /** Those that are due, of each queue the longest due first. */
  due(topic: string, group: string, now: number, { maxEvents, maxBytes }: ReadLimits): readonly ParkedEntry[] {
    const where = "queue = ? AND due <= ? ORDER BY due, id LIMIT ?";
    return tried.flatMap((queue) => {
      return this.#entries(where, maxBytes / 2, nameOf(queue, topic, group), now, Math.ceil(maxEvents / 2));
    });
  }

  /** When the next one is due; undefined when none waits. */
  nextDue(topic: string, group: string): number | undefined {
    const sql = "SELECT MIN(due) AS due FROM parked WHERE queue = ?";
    const dues = tried.map((queue) => this.#file.get<{ due: number | null }>(sql, nameOf(queue, topic, group))?.due);
    const next = Math.min(...dues.map((due) => due ?? Number.POSITIVE_INFINITY));
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  /** How many wait for another try, and how many were given up. */
  count(topic: string, group: string): { readonly waiting: number; readonly dead: number } {
    const sql = "SELECT COUNT(*) AS count FROM parked WHERE queue = ?";
    const countOf = (queue: Queue): number =>
      this.#file.get<{ count: number }>(sql, nameOf(queue, topic, group))?.count ?? 0;
    return { waiting: countOf("retry") + countOf("replay"), dead: countOf("dead") };
  }

  /** Newest first. */
  dead(filter: DeadLetterFilter, limit: number): readonly Failed[] {
    const where = `${filtered} ORDER BY id DESC LIMIT ?`;
    return this.#entries(where, maxListedBytes, ...filterOf(filter), limit).map((entry) => entry.failed);
  }

  /** Id of the youngest dead letter of all; 0 when there is none. */
  lastId(): number {
    return this.#file.get<{ id: number | null }>("SELECT MAX(id) AS id FROM parked")?.id ?? 0;
  }

  /**
   * Makes dead letters due now, the oldest first: a page of those after `after` and up to `last`.
   *
   * @returns where the next page begins, and how many were in this one
   */
  redrive(
    filter: DeadLetterFilter & { eventId?: string },
    { after, last, now }: { after: number; last: number; now: number },
  ): { readonly after: number; readonly count: number } {
    return this.#file.transaction(() => {
      const where = `${filtered} AND id > ? AND id <= ? ORDER BY id LIMIT ?`;
      const entries = this.#entries(where, page.maxBytes, ...filterOf(filter), after, last, page.maxEvents);
      for (const { id, failed } of entries) this.put("retry", filter.group, redriven(failed, now), id);
      return { after: entries.at(-1)?.id ?? last, count: entries.length };
    });
  }

  #entries(where: string, maxBytes: number, ...parameters: (string | number | null)[]): readonly ParkedEntry[] {
    const sql = `SELECT id, key, attributes, data FROM parked WHERE ${where}`;
    const entries: ParkedEntry[] = [];
    let bytes = 0;
    for (const row of this.#file.iterate<ParkedRow>(sql, ...parameters)) {
      bytes += row.data.byteLength + row.attributes.length;
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push({ id: row.id, failed: decodeFailed(fromRow(row)) });
    }
    return entries;
  }
}

function nameOf(queue: Queue, topic: string, group: string): string {
  switch (queue) {
    case "retry":
      return retryTopic(topic, group);
    case "replay":
      return `${topic}.replay.${group}`;
    case "dead":
      return deadLetterTopic(topic, group);
  }
}

function filterOf(filter: DeadLetterFilter & { eventId?: string }): readonly (string | null)[] {
  const { topic, group, eventId = null, key = null, reason = null } = filter;
  return [deadLetterTopic(topic, group), eventId, key, reason, reason];
}
