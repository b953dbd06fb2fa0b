import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import type { WeftError } from "@weft/kit";
import { valueOf } from "../transcode/response.ts";

/** At most so many failed lines are told; the count is of all. */
const maxTold = 1000;

/** A line that never became an item. */
interface Failure {
  readonly line: number;
  readonly reason: string;
  readonly detail: string;
}

/**
 * What the gateway itself refused of an upload. A response of a method whose requests are lines of JSON has by
 * convention `int32 failed` and `repeated … errors` with `int32 line`, `string reason` and `string detail`: these lines
 * are counted and told there along with those that the serving process refused.
 */
export class Failures {
  readonly #failures: Failure[] = [];
  #count = 0;

  add(line: number, error: WeftError): void {
    this.#count += 1;
    const { reason, message: detail } = error;
    if (this.#failures.length < maxTold) this.#failures.push({ line, reason, detail });
  }

  /** The response with these failures in it, sorted by line. */
  mergeInto(description: DescMessage, response: Message): Message {
    if (this.#count === 0) return response;
    const failed = description.fields.find((field) => field.name === "failed" && field.fieldKind === "scalar");
    const errors = description.fields.find((field) => field.name === "errors" && field.fieldKind === "list");
    const item = errors?.message;
    if (failed === undefined || errors === undefined || item === undefined) return response;
    const there = valueOf(response, errors);
    const told = [
      ...(Array.isArray(there) ? there : []),
      ...this.#failures.map((failure) => create(item, { ...failure })),
    ];
    told.sort((a: { line?: number }, b: { line?: number }) => (a.line ?? 0) - (b.line ?? 0));
    return create(description, {
      ...response,
      [failed.localName]: Number(valueOf(response, failed)) + this.#count,
      [errors.localName]: told.slice(0, maxTold),
    });
  }
}
