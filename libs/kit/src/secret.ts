import { inspect } from "node:util";

const hidden = "***";

/** A value that prints as `***` wherever it is logged, inspected or turned into JSON. */
export class Secret<T = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** The value itself; call it where it is used, and nowhere earlier. */
  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return hidden;
  }

  toJSON(): string {
    return hidden;
  }

  [inspect.custom](): string {
    return hidden;
  }
}
