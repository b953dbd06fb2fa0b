import { WeftError } from "@weft/kit";
import type { SqliteFile } from "@weft/sqlite";
import { type GroupMember, type LaneId, retryNumber } from "./assignment.ts";

/** The right to commit for a lane, until another member gets it. */
export interface Claim extends LaneId {
  readonly owner: string;
  readonly epoch: number;
}

/** Members, ownership of lanes and committed offsets of one consumer group. */
export class Group {
  readonly #file: SqliteFile;
  readonly #name: string;

  constructor(file: SqliteFile, name: string) {
    this.#file = file;
    this.#name = name;
  }

  join(member: GroupMember, sessionMs: number, now: number): void {
    this.#file.transaction(() => {
      this.#file.run(
        "INSERT INTO member (id, consumer_group, topics, session_ms, seen) VALUES (?, ?, ?, ?, ?)",
        member.id,
        this.#name,
        JSON.stringify(member.topics),
        sessionMs,
        now,
      );
      this.#expire(now);
      this.#changed();
    });
  }

  /** Gives up the member's lanes and its membership. */
  leave(id: string): void {
    this.#file.transaction(() => {
      this.#file.run("UPDATE cursor SET owner = NULL WHERE consumer_group = ? AND owner = ?", this.#name, id);
      if (this.#file.run("DELETE FROM member WHERE id = ?", id) > 0) this.#changed();
    });
  }

  /** A sign of life, and a look for members that give none. False when this one was taken for dead. */
  beat(id: string, now: number): boolean {
    return this.#file.transaction(() => {
      const alive = this.#file.run("UPDATE member SET seen = ? WHERE id = ?", now, id) > 0;
      if (this.#expire(now)) this.#changed();
      return alive;
    });
  }

  /** Grows whenever members come or go. */
  generation(): number {
    const sql = "SELECT generation FROM consumer_group WHERE name = ?";
    return this.#file.get<{ generation: number }>(sql, this.#name)?.generation ?? 0;
  }

  members(): readonly GroupMember[] {
    return this.#file
      .all<{ id: string; topics: string }>("SELECT id, topics FROM member WHERE consumer_group = ?", this.#name)
      .map(({ id, topics }) => ({ id, topics: JSON.parse(topics) as string[] }));
  }

  /** Makes the cursors of a topic that the group does not know yet; `ends` are the partitions' ends. */
  ensureCursors(topic: string, ends: readonly number[], start: "earliest" | "latest"): void {
    const known = (): boolean =>
      this.#file.get("SELECT 1 FROM cursor WHERE consumer_group = ? AND topic = ?", this.#name, topic) !== undefined;
    if (known()) return;
    this.#file.transaction(() => {
      if (known()) return;
      for (const [number, committed] of [[retryNumber, 0] as const, ...ends.entries()]) {
        this.#file.run(
          "INSERT INTO cursor (consumer_group, topic, number, committed) VALUES (?, ?, ?, ?)",
          this.#name,
          topic,
          number,
          start === "latest" ? committed : 0,
        );
      }
    });
  }

  /** Topics that the group has read, by name. */
  topics(): readonly string[] {
    const sql = "SELECT DISTINCT topic FROM cursor WHERE consumer_group = ? ORDER BY topic";
    return this.#file.all<{ topic: string }>(sql, this.#name).map(({ topic }) => topic);
  }

  /** Takes a lane that nobody alive has; undefined while somebody has it. */
  claim(lane: LaneId, owner: string): { readonly claim: Claim; readonly committed: number } | undefined {
    const row = this.#file.get<{ epoch: number; committed: number }>(
      `UPDATE cursor SET owner = ?, epoch = epoch + 1 WHERE consumer_group = ? AND topic = ? AND number = ?
       AND (owner IS NULL OR owner NOT IN (SELECT id FROM member WHERE consumer_group = ?)) RETURNING epoch, committed`,
      owner,
      this.#name,
      lane.topic,
      lane.number,
      this.#name,
    );
    return row && { claim: { ...lane, owner, epoch: row.epoch }, committed: row.committed };
  }

  /** Moves the committed offset on. `LEASE_LOST` when the lane belongs to another by now. */
  commit(claim: Claim, committed: number): void {
    const changed = this.#file.run(
      `UPDATE cursor SET committed = ? WHERE consumer_group = ? AND topic = ? AND number = ? AND owner = ? AND epoch = ?`,
      committed,
      this.#name,
      claim.topic,
      claim.number,
      claim.owner,
      claim.epoch,
    );
    if (changed === 0) throw new WeftError("LEASE_LOST", "the partition went to another member of the group");
  }

  /** Gives a lane back, if it is still the claim's. */
  release(claim: Claim): void {
    this.#file.transaction(() =>
      this.#file.run(
        `UPDATE cursor SET owner = NULL WHERE consumer_group = ? AND topic = ? AND number = ? AND owner = ? AND epoch = ?`,
        this.#name,
        claim.topic,
        claim.number,
        claim.owner,
        claim.epoch,
      ),
    );
  }

  #expire(now: number): boolean {
    const sql = "DELETE FROM member WHERE consumer_group = ? AND seen + session_ms < ?";
    return this.#file.run(sql, this.#name, now) > 0;
  }

  #changed(): void {
    this.#file.run(
      `INSERT INTO consumer_group (name, generation) VALUES (?, 1)
       ON CONFLICT (name) DO UPDATE SET generation = generation + 1`,
      this.#name,
    );
  }
}
