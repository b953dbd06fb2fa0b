import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Mesh } from "./mesh.ts";

/** A JSON answer, as tests look at it. */
export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** The body of an error. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly reason: string;
  readonly traceId: string;
  readonly errors: readonly { readonly field: string; readonly description: string }[];
}

export interface RestOptions {
  readonly method?: string;
  /** Sent as it is when text or bytes, else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the administrator's. Null sends none. */
  readonly token?: string | null;
  /** Then there is no answer. Default 120,000. */
  readonly timeoutMs?: number;
}

/** Calls the REST interface of a mesh, under `/api/v1` unless the path starts with `//`. */
export async function rest<Body = Record<string, unknown>>(
  mesh: Pick<Mesh, "url" | "token">,
  path: string,
  options: RestOptions = {},
): Promise<Answer<Body>> {
  const { body, headers = {}, token = mesh.token, timeoutMs = 120_000 } = options;
  const raw = typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(mesh.url + (path.startsWith("//") ? path.slice(1) : `/api/v1${path}`), {
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": raw ? "application/x-ndjson" : "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  // NDJSON stays text: a caller knows its lines.
  const isJson = /^application\/(problem\+|vnd\.[^;]+\+)?json/.test(response.headers.get("content-type") ?? "");
  const parsed: unknown = isJson && text !== "" ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, body: parsed as Body };
}

/** A file of `data/`. */
export function data(name: "people.ndjson" | "packages.ndjson"): Promise<string> {
  return readFile(join(import.meta.dirname, "../data", name), "utf8");
}
