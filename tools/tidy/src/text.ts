const maxLines = 400;
const maxMainLines = 40;

/** Checks that need one file's text only. Every problem is one line that begins with the path. */
export function checkText(path: string, text: string): string[] {
  const problems: string[] = [];
  const lines = text.split("\n");
  const length = lines.length - 1;
  const report = (index: number, what: string) => problems.push(`${path}:${index + 1}: ${what}`);

  if (/\.([mc]?js|ts)$/.test(path) && length > maxLines) {
    problems.push(`${path}: ${length} lines; at most ${maxLines}: two ideas are in one file`);
  }
  if (/^apps\/[^/]+\/src\/main\.ts$/.test(path) && length > maxMainLines) {
    problems.push(`${path}: ${length} lines; a main.ts reads settings, composes and runs, in at most ${maxMainLines}`);
  }
  for (const [index, line] of lines.entries()) {
    if (line.includes("\t")) report(index, "a tab");
    if (line.endsWith("\r")) report(index, "a carriage return");
    if (/\b(TO[D]O|FIX[M]E)\b/.test(line)) report(index, "a note to self: do it, or write an issue");
    if (path.endsWith(".test.ts") && /\b(describe|it|test|suite)(\.\w+)*\.(only|skip|todo)\b/.test(line)) {
      report(index, "a test that is left out, or leaves out the others");
    }
  }
  return problems;
}
