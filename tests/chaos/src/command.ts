import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchSignals } from "@weft/kit";

/**
 * Runs the work of a command in a folder of its own, which the work removes when it is done with it, and answers the exit
 * code. A signal ends it with 130 and removes the folder; a failure is told, and keeps it for whoever wants to look.
 *
 * @param name what the folder is called after
 */
export async function runInFolder(
  name: string,
  work: (folder: string, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const end = new AbortController();
  using _signals = watchSignals(["SIGINT", "SIGTERM", "SIGHUP"], () => end.abort(new Error("interrupted")));
  const folder = await mkdtemp(join(tmpdir(), `weft-${name}-`));
  try {
    return await work(folder, end.signal);
  } catch (error) {
    if (end.signal.aborted) {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
      console.error("interrupted");
      return 130;
    }
    console.error(error);
    console.error(`all that was there is kept in ${folder}`);
    return 1;
  }
}

/** The value of a flag; undefined when it is no whole number of nine digits at most. */
export function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
