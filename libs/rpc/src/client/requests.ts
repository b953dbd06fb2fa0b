/** Bytes of requests that a call keeps to send them again. */
const mostKeptBytes = 256 * 1024;

/**
 * The requests of a streaming call, as they are taken from their source. Those that were sent are kept as long as the
 * call may begin again: until it comes about, or they are too much.
 */
export class Requests {
  readonly #source: AsyncIterator<Buffer>;
  #kept: IteratorResult<Buffer>[] | undefined = [];
  #keptBytes = 0;
  #pulling: Promise<IteratorResult<Buffer>> | undefined;

  constructor(requests: AsyncIterable<Buffer>) {
    this.#source = requests[Symbol.asyncIterator]();
  }

  /** Whether they can be sent again from the first one on. */
  get areWhole(): boolean {
    return this.#kept !== undefined;
  }

  /** Hands them out from the first one on: to each try, which takes them one at a time. */
  reader(): () => Promise<IteratorResult<Buffer>> {
    let count = 0;
    return async () => {
      const next = this.#kept?.[count] ?? (await this.#pull());
      count += 1;
      return next;
    };
  }

  /** They will not be sent again. */
  forget(): void {
    this.#kept = undefined;
  }

  /** No more are wanted. */
  stop(): void {
    this.forget();
    void this.#source.return?.().catch(() => undefined);
  }

  /** The next one of the source. A try that is over may still wait for it, beside the one that sends it. */
  async #pull(): Promise<IteratorResult<Buffer>> {
    const pulling = (this.#pulling ??= this.#source.next());
    const next = await pulling;
    if (this.#pulling !== pulling) return next;
    this.#pulling = undefined;
    this.#kept?.push(next);
    if (!next.done && (this.#keptBytes += next.value.byteLength) > mostKeptBytes) this.forget();
    return next;
  }
}
