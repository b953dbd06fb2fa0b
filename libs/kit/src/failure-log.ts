import type { Log } from "./log.ts";

/** Tells a log where a run of failures begins and where it ends, and nothing in between: an outage is two lines. */
export class FailureLog {
  readonly #log: Log;
  readonly #texts: { readonly began: string; readonly ended: string };
  #isFailing = false;

  constructor(log: Log, texts: { readonly began: string; readonly ended: string }) {
    this.#log = log;
    this.#texts = texts;
  }

  /** A `warn` for the first of a run. */
  failed(err: unknown, fields: object = {}): void {
    if (!this.#isFailing) this.#log.warn({ ...fields, err }, this.#texts.began);
    this.#isFailing = true;
  }

  /** An `info` after a run. */
  worked(fields: object = {}): void {
    if (this.#isFailing) this.#log.info(fields, this.#texts.ended);
    this.#isFailing = false;
  }
}
