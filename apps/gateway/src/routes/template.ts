/** One part of a path between slashes: a fixed text, `*` (one part, any text) or `**` (all the rest, at least one part). */
export type Segment =
  { readonly kind: "literal"; readonly text: string } | { readonly kind: "star" } | { readonly kind: "rest" };

/** A `{field.path}` of a template, and the segments that it covers. */
export interface Variable {
  /** Proto names, outermost first. */
  readonly fieldPath: readonly string[];
  readonly start: number;
  /** Exclusive; meaningless when `multi`. */
  readonly end: number;
  /** Covers more than one segment, or `**`: its value keeps `%2F` as it came. */
  readonly multi: boolean;
}

/** A path template of google.api.http, taken apart. */
export interface Template {
  readonly text: string;
  readonly segments: readonly Segment[];
  readonly variables: readonly Variable[];
  /** What follows the last colon, for example `batchGet`; empty for none. */
  readonly verb: string;
}

const fieldPathPattern = /^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$/i;
const literalPattern = /^[A-Za-z0-9._~%!$&'()+,;=@-]+$/;

/**
 * Parses a path template by the grammar in google/api/http.proto:
 * `"/" Segment { "/" Segment } [ ":" verb ]`, where a segment is a literal, `*`, `**` or `{field.path[=Segments]}`.
 * Throws an Error for anything else: that is a bug of a `.proto`, found at start.
 */
export function parseTemplate(text: string): Template {
  const bad = (why: string): Error => new Error(`path template ${text}: ${why}`);
  const segments: Segment[] = [];
  const variables: Variable[] = [];
  let at = 0;

  const segment = (): void => {
    const found = /^(\*\*|\*|[^/{}:*=]+)/.exec(text.slice(at))?.[0];
    if (found === undefined) throw bad(`no segment at offset ${at}`);
    at += found.length;
    if (segments.at(-1)?.kind === "rest") throw bad("nothing may follow **");
    if (found === "*") segments.push({ kind: "star" });
    else if (found === "**") segments.push({ kind: "rest" });
    else if (literalPattern.test(found)) segments.push({ kind: "literal", text: decodeURIComponent(found) });
    else throw bad(`"${found}" is not a literal`);
  };

  const variable = (): void => {
    const close = text.indexOf("}", at);
    if (close < 0) throw bad("a brace is not closed");
    const equals = text.indexOf("=", at);
    const nameEnd = equals >= 0 && equals < close ? equals : close;
    const name = text.slice(at + 1, nameEnd);
    if (!fieldPathPattern.test(name)) throw bad(`"${name}" is not a field path`);
    const start = segments.length;
    if (nameEnd === close) {
      if (segments.at(-1)?.kind === "rest") throw bad("nothing may follow **");
      segments.push({ kind: "star" });
      at = close;
    } else {
      at = nameEnd;
      do {
        at += 1;
        segment();
      } while (text[at] === "/");
      if (at !== close) throw bad("a variable ends at its brace");
    }
    at += 1;
    const multi = segments.length - start > 1 || segments.at(-1)?.kind === "rest";
    variables.push({ fieldPath: name.split("."), start, end: segments.length, multi });
  };

  while (text[at] === "/") {
    at += 1;
    if (text[at] === "{") variable();
    else segment();
  }
  let verb = "";
  if (text[at] === ":") {
    verb = text.slice(at + 1);
    if (!literalPattern.test(verb)) throw bad(`"${verb}" is not a verb`);
    at = text.length;
  }
  if (at !== text.length || segments.length === 0) throw bad(`unexpected text at offset ${at}`);
  const names = variables.map(({ fieldPath }) => fieldPath.join("."));
  if (new Set(names).size !== names.length) throw bad("a field is bound twice");
  return { text, segments, variables, verb };
}
