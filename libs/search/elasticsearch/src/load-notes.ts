import { isWeftError, WeftError } from "@weft/kit";
import type { Server } from "./server.ts";

/** Settings of an index as Elasticsearch takes them; null: its own. */
export type IndexSettings = Readonly<Record<string, string | null>>;

/** What is relaxed at an index, and for whom. */
export interface LoadNote {
  /** Index of Elasticsearch. */
  readonly target: string;
  /** Empty until it is known what was there before. */
  readonly relaxed: IndexSettings;
  /** The same settings as they were before, and are to be again. */
  readonly former: IndexSettings;
  /** Loads by their ids: until when each is taken to be alive, in milliseconds since the epoch. */
  readonly loads: Readonly<Record<string, number>>;
}

/** A note as it is stored, with what tells it from a later one. */
export interface StoredNote {
  readonly note: LoadNote;
  readonly seqNo: number;
  readonly primaryTerm: number;
}

interface Place {
  readonly _seq_no: number;
  readonly _primary_term: number;
}

interface Hit extends Place {
  readonly _source: LoadNote;
}

/** Most indexes under a bulk load at a time that are looked after. */
const maxNotes = 1000;

/**
 * The notes of a namespace, an index of their own: `weft._loads`, which no index of the port is named. They outlive who
 * wrote them, and each is replaced only by who has read its last state.
 */
export class LoadNotes {
  readonly #server: Server;
  readonly #name: string;

  constructor(server: Server, namespace: string) {
    this.#server = server;
    this.#name = `${namespace}._loads`;
  }

  async get(target: string): Promise<StoredNote | undefined> {
    const path = this.#path(target);
    const found = await this.#server.request<Hit>({ method: "GET", path, kind: "read" }).catch(ifThere);
    return found === undefined ? undefined : storedOf(found);
  }

  /** `CONFLICT` when the note is no longer `stored`: undefined for none. */
  async put(note: LoadNote, stored: StoredNote | undefined): Promise<StoredNote> {
    const query = { refresh: true, ...(stored === undefined ? { op_type: "create" } : expecting(stored)) };
    const path = this.#path(note.target);
    try {
      const call = { method: "PUT", path, query, body: note, kind: "repeatable" } as const;
      return storedOf({ ...(await this.#server.request<Place>(call)), _source: note });
    } catch (error) {
      if (!isWeftError(error, "NOT_FOUND")) throw error;
      await this.#create();
      throw new WeftError("CONFLICT", "there was no index of notes", { cause: error });
    }
  }

  /** `CONFLICT` when it is no longer `stored`. */
  async delete(stored: StoredNote): Promise<void> {
    const query = { refresh: true, ...expecting(stored) };
    const path = this.#path(stored.note.target);
    await this.#server.request({ method: "DELETE", path, query, kind: "repeatable" }).catch(ifThere);
  }

  async list(signal: AbortSignal): Promise<readonly StoredNote[]> {
    const { hits } = await this.#server.request<{ readonly hits: { readonly hits: readonly Hit[] } }>({
      method: "POST",
      path: `/${this.#name}/_search`,
      query: { ignore_unavailable: true },
      body: { size: maxNotes, seq_no_primary_term: true },
      kind: "read",
      signal,
    });
    return hits.hits.map(storedOf);
  }

  async #create(): Promise<void> {
    const body = { settings: { "index.hidden": true }, mappings: { dynamic: false } };
    try {
      await this.#server.request({ method: "PUT", path: `/${this.#name}`, body, kind: "repeatable" });
    } catch (error) {
      if (!isWeftError(error, "ALREADY_EXISTS")) throw error;
    }
  }

  #path(target: string): string {
    return `/${this.#name}/_doc/${target}`;
  }
}

function storedOf({ _source, _seq_no, _primary_term }: Hit): StoredNote {
  return { note: _source, seqNo: _seq_no, primaryTerm: _primary_term };
}

function expecting({ seqNo, primaryTerm }: StoredNote): {
  readonly if_seq_no: number;
  readonly if_primary_term: number;
} {
  return { if_seq_no: seqNo, if_primary_term: primaryTerm };
}

/** Undefined for what is not there. */
export function ifThere(error: unknown): undefined {
  if (!isWeftError(error, "NOT_FOUND")) throw error;
}
