import type { Random } from "@weft/chaos-tests";
import type { CallClass } from "./verdict.ts";

/** A request as callers make it. */
export interface Request {
  readonly callClass: CallClass;
  readonly method: "GET" | "POST" | "PATCH";
  /** From the root. */
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What requests are made of. */
export interface MixOptions {
  /** Ids of users that are there. */
  readonly ids: readonly string[];
  readonly random: Random;
  /** Goes into what is new, so that two runs make different users. */
  readonly name: string;
}

const words = ["server", "library", "data", "network", "tools", "python", "fonts", "image", "mail", "compiler"];
const people = ["Ada", "Grace", "Nobel", "physicist", "mathematician", "writer"];

/** Endless requests: nine in ten read; of the others most may be sent again, and some may not. */
export class Mix {
  readonly #options: MixOptions;
  #count = 0;

  constructor(options: MixOptions) {
    this.#options = options;
  }

  next(): Request {
    const { random, ids, name } = this.#options;
    const mark = `${name}-${(this.#count += 1)}`;
    const kind = random.weighted([
      [46, "get"],
      [8, "list"],
      [28, "search"],
      [8, "suggest"],
      [5, "update"],
      [3, "create"],
      [2, "import"],
    ] as const);
    switch (kind) {
      case "get":
        return read(`/users/${random.pick(ids)}`);
      case "list":
        return read(`/users?pageSize=5`);
      case "search":
        return random.chance(0.5)
          ? read(`/search/packages?pageSize=5&q=${random.pick(words)}`)
          : read(`/search/users?pageSize=5&q=${random.pick(people)}`);
      case "suggest":
        return read(`/search/packages:suggest?prefix=${random.pick(words).slice(0, 2)}`);
      case "update": {
        const path = `/api/v1/users/${random.pick(ids)}?updateMask=bio`;
        return { callClass: "write", method: "PATCH", path, body: JSON.stringify({ bio: mark }) };
      }
      case "create": {
        const headers = { "idempotency-key": mark };
        return { callClass: "write", method: "POST", path: "/api/v1/users", body: newUser(mark), headers };
      }
      case "import": {
        // A stream of requests: what was sent of it can't be sent again.
        const headers = { "content-type": "application/x-ndjson" };
        return { callClass: "once", method: "POST", path: "/api/v1/users:import", body: newUser(mark), headers };
      }
    }
  }
}

function read(path: string): Request {
  return { callClass: "read", method: "GET", path: `/api/v1${path}` };
}

function newUser(mark: string): string {
  return JSON.stringify({ email: `${mark}@example.org`, name: `Caller ${mark}`, bio: mark });
}
