import { callPolicyShape, overloadShape, type Shape } from "@weft/resilience";

/** `docs/reference/calls.md`: every field of the policy by which a process calls another. */
export function callsPage(): string {
  const out = [
    "# Call policies",
    "",
    "Written by `npm run docs` from `libs/resilience/src/policy`.",
    "",
    "How a process calls each other service: the setting `calls`, an object of policies by the name of the target. What is said of `*` holds for every target; what is said of one goes over it, field by field, and `null` takes a field back to its default. A name that nobody knows, or a value that is out of bounds, is an error with its path.",
    "",
    "```yaml",
    "# weft.yaml",
    "calls:",
    '  "*":',
    "    outliers: { baseEjectionMs: 10000 }",
    "  user:",
    "    retry: { maxTries: 2 }",
    "```",
    "",
    "While the mesh runs, [`weft config set`](../guides/calls.md) changes all of it or a part: `calls.user.split` is the field `split` of the policy for `user`. Times are in milliseconds, shares between 0 and 1.",
  ];
  for (const [name, section] of Object.entries(callPolicyShape.fields ?? {})) {
    out.push("", `## ${name}`);
    if (section.about !== "") out.push("", section.about);
    if (section.fields === undefined) out.push("", `Takes ${section.takes}.`);
    else out.push("", ...tableOf(section.fields));
  }
  out.push(
    "",
    "# Overload",
    "",
    "How a process meets more calls than it can serve: the setting `overload`, which changes while it runs as well.",
    "",
    ...tableOf(overloadShape.fields ?? {}),
  );
  return out.join("\n") + "\n";
}

function tableOf(fields: Readonly<Record<string, Shape<unknown>>>): string[] {
  return ["| field | default | |", "|---|---|---|", ...rows(fields, "")];
}

function rows(fields: Readonly<Record<string, Shape<unknown>>>, prefix: string): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    const inner = field.fields === undefined ? [] : rows(field.fields, `${path}.`);
    const value =
      field.fields !== undefined || field.default === undefined ? "" : `\`${JSON.stringify(field.default)}\``;
    const takes = field.fields === undefined ? `Takes ${field.takes}.` : "";
    return [`| \`${path}\` | ${value} | ${[field.about, takes].filter(Boolean).join(" ")} |`, ...inner];
  });
}
