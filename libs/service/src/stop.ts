/** Why a process stops, and how it ends. */
export interface StopReason {
  readonly why: string;
  readonly exitCode: 0 | 1;
}

/** The wish that the process ends. The first one counts, but a failure still spoils the exit code later on. */
export class Stop {
  readonly #asked = Promise.withResolvers<StopReason>();
  readonly #controller = new AbortController();
  #exitCode: 0 | 1 = 0;

  /** Resolves when somebody asks. */
  readonly asked: Promise<StopReason> = this.#asked.promise;
  /** Aborted when somebody asks. */
  readonly signal: AbortSignal = this.#controller.signal;

  get exitCode(): 0 | 1 {
    return this.#exitCode;
  }

  ask(reason: StopReason): void {
    if (reason.exitCode === 1) this.#exitCode = 1;
    this.#asked.resolve(reason);
    this.#controller.abort();
  }
}
