import type { Claims, UserClaims } from "./account.ts";
import type { Random } from "./random.ts";

interface Known extends UserClaims {
  readonly changes: Map<number, string>;
  deletion: UserClaims["deletion"];
  /** The last one seen; empty for none. */
  etag: string;
}

const mostNew = 4;

/** What the writers asked for, and what they were told. */
export class History {
  readonly #users = new Map<string, Known>();
  /** Those whom a writer may still change. */
  readonly #present: string[] = [];
  #accepted = 0;
  #marks = 0;

  /** Changes that were acknowledged. */
  get accepted(): number {
    return this.#accepted;
  }

  get claims(): Claims {
    return { users: this.#users };
  }

  /** Something that no other change writes. */
  newMark(): string {
    this.#marks += 1;
    return `mark-${this.#marks}`;
  }

  /** Somebody who is there as far as one knows, often a new one; undefined while there is nobody. */
  somebody(random: Random): { readonly id: string; readonly etag: string } | undefined {
    if (this.#present.length === 0) return undefined;
    // Several changes of one user in a short time are what can overtake each other.
    const id = random.pick(random.chance(0.5) ? this.#present.slice(-mostNew) : this.#present);
    return { id, etag: this.#of(id).etag };
  }

  created(id: string, etag: string, mark: string): void {
    this.#accepted += 1;
    // A creation that is sent again may be answered after others changed the user.
    this.#users.set(id, { changes: new Map([[1, mark]]), deletion: "none", etag });
    this.#present.push(id);
  }

  updated(id: string, etag: string, mark: string): void {
    this.#accepted += 1;
    const user = this.#of(id);
    user.changes.set(versionOf(etag), mark);
    user.etag = etag;
  }

  /** A deletion is about to be asked for: from now on the user may be gone. */
  deleting(id: string): void {
    const user = this.#of(id);
    if (user.deletion === "none") user.deletion = "unknown";
    const at = this.#present.indexOf(id);
    if (at !== -1) this.#present.splice(at, 1);
  }

  /** They are gone: it was acknowledged, or the user is not found any more. */
  deleted(id: string): void {
    this.#accepted += 1;
    this.#of(id).deletion = "acknowledged";
  }

  /** Whether "not found" is a right answer. */
  mayBeGone(id: string): boolean {
    return this.#of(id).deletion !== "none";
  }

  #of(id: string): Known {
    const user = this.#users.get(id);
    if (user === undefined) throw new Error(`nobody was told of ${id}`);
    return user;
  }
}

/** The version that an etag of the user service begins with. Opaque to everybody else. */
export function versionOf(etag: string): number {
  const version = Number.parseInt(etag.split("-")[0] ?? "", 36);
  if (!Number.isInteger(version)) throw new Error(`${etag} is not an etag of a user`);
  return version;
}
