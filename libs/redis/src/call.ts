import { Command } from "ioredis";
import { redisError } from "./errors.ts";
import type { Pending, Waiting } from "./pending.ts";

/**
 * A command that leaves the calls under way as it ends, and fails with a `WeftError`. It does so by itself: a promise
 * around that of ioredis would cost more than all else that is ours.
 */
export class Call extends Command {
  readonly #pending: Pending;
  readonly #waiting: Waiting;

  constructor(name: string, args: (string | Buffer)[], pending: Pending) {
    super(name, args);
    this.#pending = pending;
    const { reject } = this;
    this.reject = (error) => {
      pending.end(this.#waiting);
      reject(redisError(error));
    };
    this.#waiting = pending.add(this);
  }

  /** Called with the answer, which stays as the protocol has it. */
  override transformReply(reply: Buffer | Buffer[]): Buffer | Buffer[] {
    this.#pending.end(this.#waiting);
    return reply;
  }

  /** What goes over the wire. Around bytes ioredis measures and copies each piece of text by itself, at twice the time. */
  override toWritable(): string | Buffer {
    const bytes: Buffer[] = [];
    const texts: string[] = [];
    let text = `*${this.args.length + 1}\r\n$${this.name.length}\r\n${this.name}\r\n`;
    for (const argument of this.args) {
      if (argument instanceof Buffer) {
        texts.push(`${text}$${argument.length}\r\n`);
        bytes.push(argument);
        text = "\r\n";
      } else {
        const written = String(argument);
        text += `$${Buffer.byteLength(written)}\r\n${written}\r\n`;
      }
    }
    return bytes.length === 0 ? text : join(texts, bytes, text);
  }
}

/** Each text before its bytes, then the rest. */
function join(texts: readonly string[], bytes: readonly Buffer[], rest: string): Buffer {
  let length = Buffer.byteLength(rest);
  for (const text of texts) length += Buffer.byteLength(text);
  for (const some of bytes) length += some.length;
  const all = Buffer.allocUnsafe(length);
  let at = 0;
  bytes.forEach((some, index) => {
    at += all.write(texts[index] ?? "", at);
    all.set(some, at);
    at += some.length;
  });
  all.write(rest, at);
  return all;
}
