import { decodeFailed, encodeFailed, type Failed, redriven, retryTopic, deadLetterTopic } from "@weft/pubsub";
import type { SqliteFile } from "@weft/sqlite";
import { type EventRow, fromRow, toRow } from "./rows.ts";

/** A failed delivery in the file. */
export interface ParkedEntry {
  readonly id: number;
  readonly failed: Failed;
}

type ParkedRow = EventRow & { readonly id: number };

/** Deliveries beside their partitions: the retry topics, ordered by when they are due, and the dead letters. */
export class Parked {
  readonly #file: SqliteFile;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  /** Writes a failure of `group`; `id` is the entry that it came from, unless it came from its partition. */
  put(kind: "retry" | "dead", group: string, failed: Failed, id: number | null = null): void {
    const { topic } = failed.delivery;
    const queue = kind === "retry" ? retryTopic(topic, group) : deadLetterTopic(topic, group);
    if (id !== null) this.remove(id);
    const { key, attributes, data } = toRow(encodeFailed(failed));
    this.#file.run(
      "INSERT INTO parked (queue, due, event_id, key, attributes, data) VALUES (?, ?, ?, ?, ?, ?)",
      queue,
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

  /** Retries that are due, the longest due first. */
  due(topic: string, group: string, now: number, limit: number): readonly ParkedEntry[] {
    return this.#entries("queue = ? AND due <= ? ORDER BY due, id LIMIT ?", retryTopic(topic, group), now, limit);
  }

  /** When the next retry is due; undefined when none waits. */
  nextDue(topic: string, group: string): number | undefined {
    const sql = "SELECT MIN(due) AS due FROM parked WHERE queue = ?";
    return this.#file.get<{ due: number | null }>(sql, retryTopic(topic, group))?.due ?? undefined;
  }

  /** Newest first. */
  dead(topic: string, group: string, limit: number): readonly Failed[] {
    const entries = this.#entries("queue = ? ORDER BY id DESC LIMIT ?", deadLetterTopic(topic, group), limit);
    return entries.map((entry) => entry.failed);
  }

  /** Makes at most `limit` dead letters, the oldest first, due now; those of one event when `eventId` is given. */
  redrive(topic: string, group: string, options: { eventId?: string; now: number; limit: number }): number {
    return this.#file.transaction(() => {
      const { eventId = null, now, limit } = options;
      const where = "queue = ? AND (? IS NULL OR event_id = ?) ORDER BY id LIMIT ?";
      const entries = this.#entries(where, deadLetterTopic(topic, group), eventId, eventId, limit);
      for (const { id, failed } of entries) this.put("retry", group, redriven(failed, now), id);
      return entries.length;
    });
  }

  #entries(where: string, ...parameters: (string | number | null)[]): readonly ParkedEntry[] {
    const rows = this.#file.all<ParkedRow>(
      `SELECT id, key, attributes, data FROM parked WHERE ${where}`,
      ...parameters,
    );
    return rows.map((row) => ({ id: row.id, failed: decodeFailed(fromRow(row)) }));
  }
}
