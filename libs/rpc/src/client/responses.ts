import type { Message } from "@bufbuild/protobuf";
import { WeftError } from "@weft/kit";

/** Where responses come from. Tells of each that it was asked for by {@link Responses.push}. */
export interface ResponseSource {
  /** Asks for the first one. */
  start(): void;
  /** Asks for the next one. */
  read(): void;
  /** Nobody asks any more. `isIdle`: what was asked for has come. */
  abandon(isIdle: boolean): void;
}

type Result = IteratorResult<Message, undefined>;

/** Somebody who waits for the next response. */
interface Reader {
  resolve(result: Result): void;
  reject(error: WeftError): void;
}

/**
 * The responses of a call, pulled one by one; the call begins with the first that is asked for. No generator, since that
 * could not be returned while somebody waits for its next value: here he is told at once that there is none.
 */
export class Responses implements AsyncIterableIterator<Message, undefined> {
  readonly #open: (responses: Responses) => Promise<ResponseSource>;
  readonly #readers: Reader[] = [];
  #source: ResponseSource | undefined;
  #hasBegun = false;
  #isOver = false;
  /** Why, until somebody has been told. */
  #error: WeftError | undefined;

  constructor(open: (responses: Responses) => Promise<ResponseSource>) {
    this.#open = open;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      if (this.#isOver) this.#answer();
      else if (!this.#hasBegun) void this.#begin();
      else if (this.#readers.length === 1) this.#source?.read();
    });
  }

  return(): Promise<Result> {
    if (!this.#isOver) this.#source?.abandon(this.#readers.length === 0);
    this.finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The one that was asked for has come. */
  push(message: Message): void {
    this.#readers.shift()?.resolve({ done: false, value: message });
    if (this.#readers.length > 0) this.#source?.read();
  }

  /** There are no more, or no more can be had. */
  finish(error?: WeftError): void {
    this.#isOver = true;
    this.#error = error;
    this.#answer();
  }

  async #begin(): Promise<void> {
    this.#hasBegun = true;
    try {
      const source = await this.#open(this);
      if (this.#isOver) return;
      this.#source = source;
      source.start();
    } catch (error) {
      this.finish(WeftError.from(error));
    }
  }

  #answer(): void {
    for (const reader of this.#readers.splice(0)) {
      const error = this.#error;
      this.#error = undefined;
      if (error === undefined) reader.resolve({ done: true, value: undefined });
      else reader.reject(error);
    }
  }
}
