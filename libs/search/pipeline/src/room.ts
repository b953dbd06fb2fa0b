import type { WeftError } from "@weft/kit";

interface Waiting {
  readonly bytes: number;
  readonly onTaken: () => void;
  readonly granted: PromiseWithResolvers<void>;
}

/** Room for so many changes of so many bytes together. Who finds none waits; the first to come is the first to get in. */
export class Room {
  readonly #most: { readonly count: number; readonly bytes: number };
  #count = 0;
  #bytes = 0;
  #waiting: Waiting[] = [];

  constructor(most: { readonly count: number; readonly bytes: number }) {
    this.#most = most;
  }

  /** Takes room if there is some at once. One that is larger than all of it gets in when nobody else is there. */
  tryTake(bytes: number): boolean {
    if (this.#waiting.length > 0 || !this.#has(bytes)) return false;
    this.#take(bytes);
    return true;
  }

  /** Resolves when room was taken; `onTaken` is called before anybody else can take some. */
  take(bytes: number, onTaken: () => void): Promise<void> {
    const granted = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, onTaken, granted });
    return granted.promise;
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.#count -= 1;
    this.#bytes -= bytes;
    for (let [first] = this.#waiting; first !== undefined && this.#has(first.bytes); [first] = this.#waiting) {
      this.#waiting.shift();
      this.#take(first.bytes);
      first.onTaken();
      first.granted.resolve();
    }
  }

  /** Nobody gets in any more who waits now. */
  refuse(error: WeftError): void {
    for (const { granted } of this.#waiting.splice(0)) granted.reject(error);
  }

  #has(bytes: number): boolean {
    return this.#count === 0 || (this.#count < this.#most.count && this.#bytes + bytes <= this.#most.bytes);
  }

  #take(bytes: number): void {
    this.#count += 1;
    this.#bytes += bytes;
  }
}
