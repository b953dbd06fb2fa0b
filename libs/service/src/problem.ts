import { WeftError } from "@weft/kit";

/** Says on standard error why the process can't start, a line for each problem. The exit code. */
export function complain(name: string, error: unknown): 1 {
  for (const line of problemLines(error)) process.stderr.write(`${name}: ${line}\n`);
  return 1;
}

/** Lines for people: a problem each, without stacks. */
function problemLines(error: unknown): readonly string[] {
  return (addressInUse(error) ?? messageOf(error)).split("\n").filter((line) => line.trim() !== "");
}

function messageOf(error: unknown): string {
  if (error instanceof WeftError && error.reason === "INTERNAL" && error.cause !== undefined)
    return messageOf(error.cause);
  return error instanceof Error ? error.message : String(error);
}

/** A listener says that its port is taken in many ways; people want to read one. */
function addressInUse(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const match = /EADDRINUSE[^[\]]*? (\S+:\d+)/.exec(at.message);
    if (match !== null) return `${match[1]} is in use by another process`;
  }
  return undefined;
}
