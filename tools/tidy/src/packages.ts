interface Manifest {
  readonly name?: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly type?: string;
  readonly nx?: { readonly tags?: readonly string[] };
}

const types = ["kit", "port", "rpc", "adapter", "blocks", "service", "server", "app", "tool", "test"];

/** A package says what it is: in a sentence to people, by its tags to the boundaries. */
export function checkPackage(path: string, text: string): string[] {
  if (!/^(apps|libs|tools|tests|infra|bench)\/(.*\/)?package\.json$/.test(path)) return [];
  const manifest = JSON.parse(text) as Manifest;
  const tags = manifest.nx?.tags ?? [];
  const type = tags.filter((tag) => tag.startsWith("type:"));
  const problems: string[] = [];

  if (!manifest.name?.startsWith("@weft/")) problems.push("the name begins with @weft/");
  if (manifest.private !== true) problems.push('needs "private": true');
  if (manifest.type !== "module") problems.push('needs "type": "module"');
  if (!/\S.*\.$/.test(manifest.description ?? "")) problems.push("needs a description, a sentence");
  if (type.length !== 1 || !types.includes(type.join().slice("type:".length))) {
    problems.push(`needs one nx tag of type:${types.join("|")}`);
  }
  if ((tags.includes("type:port") || tags.includes("type:adapter")) && !tags.some((tag) => tag.startsWith("block:"))) {
    problems.push("a port or adapter needs the nx tag of its block:");
  }
  return problems.map((problem) => `${path}: ${problem}`);
}
