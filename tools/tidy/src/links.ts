import { posix } from "node:path";

/**
 * Relative links of a markdown file lead to a file or folder, and to a heading where they name one.
 *
 * @param read the text at a path from the root; empty for what is not text, undefined for what is not there
 */
export function checkLinks(path: string, text: string, read: (path: string) => string | undefined): string[] {
  if (!path.endsWith(".md")) return [];
  const prose = withoutCode(text);
  const links = [...prose.matchAll(/\]\(<?([^)\s>]+)>?[^)]*\)/g), ...prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)];
  return links.flatMap(([, link = ""]) => {
    if (/^[a-z][a-z+.-]*:/i.test(link)) return [];
    const [file = "", fragment] = decodeURI(link).split("#");
    const target = file === "" ? path : posix.join(posix.dirname(path), file);
    const found = target.startsWith("..") ? undefined : read(target);
    if (found === undefined) return [`${path}: the link ${link} leads nowhere`];
    if (fragment === undefined || !target.endsWith(".md") || headings(found).includes(fragment)) return [];
    return [`${path}: the link ${link} leads to no heading of ${target}`];
  });
}

/** The fragments under which GitHub shows a file's headings. */
function headings(text: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutFences(text).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map(([, heading = ""]) => {
    const plain = heading.replaceAll(/\]\([^)]*\)/g, "").toLowerCase();
    const slug = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-");
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
}

function withoutFences(text: string): string {
  return text.replaceAll(/^(```+|~~~+)[\s\S]*?^\1/gm, "");
}

function withoutCode(text: string): string {
  return withoutFences(text).replaceAll(/`[^`\n]*`/g, "");
}
