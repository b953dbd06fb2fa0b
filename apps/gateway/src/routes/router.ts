import { WeftError } from "@weft/kit";
import type { Template } from "./template.ts";

/** What is found for a path and a method. */
export type RouteMatch<R> =
  | { readonly kind: "found"; readonly route: R; readonly values: readonly string[] }
  | { readonly kind: "method"; readonly allow: readonly string[] }
  | { readonly kind: "none" };

interface Leaf<R> {
  readonly methods: Map<string, { readonly route: R; readonly template: Template }>;
}

interface Node<R> {
  readonly literals: Map<string, Node<R>>;
  star: Node<R> | undefined;
  /** `**`: by verb. */
  readonly rest: Map<string, Leaf<R>>;
  /** Templates that end here: by verb. */
  readonly leaves: Map<string, Leaf<R>>;
}

/**
 * Finds the route of a request path as it came, undecoded: a colon written `%3A` is part of an id, a plain one may
 * begin a custom verb. A literal is preferred to a variable, and a known verb to a text with a colon in it, whatever
 * the method: `GET /things/1:run` is 405, not a thing named `1:run`. HEAD finds what GET does.
 */
export class Router<R> {
  readonly #root: Node<R> = newNode();

  /** Throws when the same path and method were added before. */
  add(method: string, template: Template, route: R): void {
    let node = this.#root;
    let { leaves } = node;
    for (const segment of template.segments) {
      if (segment.kind === "rest") {
        leaves = node.rest;
        break;
      }
      if (segment.kind === "star") node = node.star ??= newNode();
      else node = getOrAdd(node.literals, segment.text, newNode<R>);
      ({ leaves } = node);
    }
    const { methods } = getOrAdd(leaves, template.verb, () => ({ methods: new Map() }));
    if (methods.has(method)) throw new Error(`two routes for ${method} ${template.text}`);
    methods.set(method, { route, template });
  }

  /** Looks `path` up; throws `INVALID_ARGUMENT` for broken percent-encoding. */
  find(method: string, path: string): RouteMatch<R> {
    const parts = path.split("/");
    if (parts[0] !== "" || parts.length < 2) return { kind: "none" };
    parts.shift();
    const allow = new Set<string>();
    const wanted = method === "HEAD" ? "GET" : method;
    const found = descend(this.#root, parts, 0, wanted, allow);
    if (found !== undefined) return found;
    return allow.size === 0 ? { kind: "none" } : { kind: "method", allow: withHead(allow) };
  }
}

function newNode<R>(): Node<R> {
  return { literals: new Map(), star: undefined, rest: new Map(), leaves: new Map() };
}

function getOrAdd<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function withHead(allow: Set<string>): string[] {
  if (allow.has("GET")) allow.add("HEAD");
  return [...allow].sort();
}

type Found<R> = Extract<RouteMatch<R>, { kind: "found" }> | undefined;

/** At most two branches a level, and no deeper than the deepest template. */
function descend<R>(node: Node<R>, parts: readonly string[], at: number, method: string, allow: Set<string>): Found<R> {
  const part = parts[at] ?? "";
  if (at < parts.length - 1) {
    const literal = node.literals.size > 0 ? node.literals.get(decode(part)) : undefined;
    const found = literal && descend(literal, parts, at + 1, method, allow);
    if (found !== undefined) return found;
    if (node.star !== undefined && part !== "") {
      const viaStar = descend(node.star, parts, at + 1, method, allow);
      if (viaStar !== undefined) return viaStar;
    }
  } else {
    const found = last(node, parts, method, allow);
    if (found !== undefined) return found;
  }
  if (node.rest.size === 0 || parts.includes("", at)) return undefined;
  return choose(node.rest, parts, method, allow);
}

function last<R>(node: Node<R>, parts: readonly string[], method: string, allow: Set<string>): Found<R> {
  const part = parts.at(-1) ?? "";
  const colon = part.lastIndexOf(":");
  if (colon > 0 && colon < part.length - 1) {
    const verb = decode(part.slice(colon + 1));
    const name = part.slice(0, colon);
    for (const child of [node.literals.get(decode(name)), node.star]) {
      const leaf = child?.leaves.get(verb);
      if (leaf !== undefined) return take(leaf, [...parts.slice(0, -1), name], method, allow);
    }
  }
  for (const child of [node.literals.get(decode(part)), part === "" ? undefined : node.star]) {
    const leaf = child?.leaves.get("");
    const found = leaf && take(leaf, parts, method, allow);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `**` with the verb at the end of the path, or without one. */
function choose<R>(
  leaves: Map<string, Leaf<R>>,
  parts: readonly string[],
  method: string,
  allow: Set<string>,
): Found<R> {
  const part = parts.at(-1) ?? "";
  const colon = part.lastIndexOf(":");
  const withVerb = colon > 0 ? leaves.get(decode(part.slice(colon + 1))) : undefined;
  if (withVerb !== undefined && colon < part.length - 1) {
    return take(withVerb, [...parts.slice(0, -1), part.slice(0, colon)], method, allow);
  }
  const plain = leaves.get("");
  return plain && take(plain, parts, method, allow);
}

function take<R>(leaf: Leaf<R>, parts: readonly string[], method: string, allow: Set<string>): Found<R> {
  const entry = leaf.methods.get(method);
  if (entry === undefined) {
    for (const other of leaf.methods.keys()) allow.add(other);
    return undefined;
  }
  const values = entry.template.variables.map((variable) => {
    if (!variable.multi) return decode(parts[variable.start] ?? "");
    const end = entry.template.segments[variable.end - 1]?.kind === "rest" ? parts.length : variable.end;
    return parts.slice(variable.start, end).map(decodeKeepingSlash).join("/");
  });
  return { kind: "found", route: entry.route, values };
}

/** The text of a path segment or a query part; throws `INVALID_ARGUMENT` for broken percent-encoding. */
export function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new WeftError("INVALID_ARGUMENT", "the URL has broken percent-encoding", { cause });
  }
}

function decodeKeepingSlash(text: string): string {
  return text
    .split(/(%2F)/i)
    .map((piece) => (/^%2F$/i.test(piece) ? piece : decode(piece)))
    .join("");
}
