import { createHash } from "node:crypto";
import { escapeHtml, isJsonObject, type JsonObject, type JsonValue, reasons } from "@weft/kit";
import { operationsOf } from "./document.ts";

const style = `
:root{color-scheme:light dark;--edge:color-mix(in srgb,currentColor 18%,transparent);--soft:color-mix(in srgb,currentColor 6%,transparent)}
body{font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere;max-width:64rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;border-bottom:1px solid var(--edge)}
details{border:1px solid var(--edge);border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer;font-family:ui-monospace,monospace;overflow-wrap:anywhere}
summary b{display:inline-block;min-width:4.5em}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;border-bottom:1px solid var(--edge);padding:.25rem .5rem}
pre{background:var(--soft);padding:.6rem;overflow:auto;border-radius:6px}
.tags{opacity:.75;font-size:.9em}`;

/** Lets the page have its style and nothing else: no script, no frame, nothing from elsewhere. */
export const pagePolicy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** A page that shows every operation of an OpenAPI document. */
export function operationsPage(document: JsonObject): string {
  const byTag = new Map<string, string[]>();
  for (const { path, method, operation } of operationsOf(document)) {
    const tag = Array.isArray(operation["tags"]) ? String(operation["tags"][0]) : "";
    const list = byTag.get(tag) ?? [];
    byTag.set(tag, [...list, operationHtml(path, method, operation)]);
  }
  const sections = [...byTag].map(([tag, operations]) => `<h2>${escapeHtml(tag)}</h2>${operations.join("")}`);
  const schemas = at(document, "components", "schemas");
  const models = isJsonObject(schemas)
    ? Object.entries(schemas).map(
        ([name, schema]) =>
          `<details id="${escapeHtml(name)}"><summary>${escapeHtml(name)}</summary>${json(schema)}</details>`,
      )
    : [];
  return html(
    "Weft: the API",
    `<p>Made from the contracts. As a document for tools: <a href="/openapi.json">/openapi.json</a>.
What errors mean: <a href="/docs/errors">/docs/errors</a>.</p>
${sections.join("")}<h2>Schemas</h2>${models.join("")}`,
  );
}

/** A page that explains every reason of an error: what the `type` of a problem points to. */
export function errorsPage(): string {
  const rows = Object.entries(reasons).map(
    ([reason, { httpStatus, code, retryable, meaning }]) =>
      `<tr id="${reason}"><td><code>${reason}</code></td><td>${httpStatus}</td><td><code>${code}</code></td><td>${retryable ? "yes" : "no"}</td><td>${escapeHtml(meaning)}</td></tr>`,
  );
  return html(
    "Weft: errors",
    `<table><tr><th>reason</th><th>HTTP</th><th>gRPC</th><th>retry</th><th>meaning</th></tr>${rows.join("")}</table>`,
  );
}

function operationHtml(path: string, method: string, operation: JsonObject): string {
  const { parameters, requestBody, responses } = operation;
  const rpc = String(operation["x-rpc"]);
  const facts = ["x-access", "x-roles", "x-rate-class", "x-timeout-ms"].flatMap((name) =>
    operation[name] === undefined ? [] : [`${name.slice(2)}: ${String(operation[name])}`],
  );
  const rows = (Array.isArray(parameters) ? parameters.filter(isJsonObject) : []).map(
    (parameter) =>
      `<tr><td><code>${escapeHtml(String(parameter["name"]))}</code></td><td>${escapeHtml(String(parameter["in"]))}</td><td>${json(parameter["schema"] ?? {})}</td></tr>`,
  );
  return `<details><summary><b>${method.toUpperCase()}</b> ${escapeHtml(path)} <span class="tags">${escapeHtml(rpc.slice(rpc.indexOf("/") + 1))}</span></summary>
<p class="tags">${escapeHtml(rpc)} · ${escapeHtml(facts.join(" · "))}</p>
${rows.length > 0 ? `<h4>Parameters</h4><table>${rows.join("")}</table>` : ""}
${requestBody === undefined ? "" : `<h4>Body</h4>${json(requestBody)}`}
<h4>Answers</h4>${json(responses ?? {})}</details>`;
}

function html(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>${style}</style></head><body><h1>${title}</h1>${body}</body></html>`;
}

/** Indented JSON; references to schemas are links. */
function json(value: JsonValue): string {
  const text = escapeHtml(JSON.stringify(value, undefined, 2));
  return `<pre>${text.replace(/#\/components\/schemas\/([\w.]+)/g, (whole, name: string) => `<a href="#${name}">${whole}</a>`)}</pre>`;
}

function at(value: JsonValue, ...path: readonly string[]): JsonValue | undefined {
  let found: JsonValue | undefined = value;
  for (const name of path) found = isJsonObject(found) ? found[name] : undefined;
  return found;
}
