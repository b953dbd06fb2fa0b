import { WeftError } from "@weft/kit";

/** Why a process can't start, as lines for people: a problem each, without stacks. */
export function problemLines(error: unknown): readonly string[] {
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
