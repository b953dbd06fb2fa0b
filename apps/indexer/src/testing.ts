import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Blocks, blockUrlDefaults, openSearch } from "@weft/blocks";
import type { Clock } from "@weft/kit";
import type { SearchEngine } from "@weft/search";

/** An empty search engine in a folder of its own; both go with `stack`. */
export async function openTestEngine(stack: AsyncDisposableStack, clock?: Clock): Promise<SearchEngine> {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-indexer-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  return openSearch(new Blocks({ dataDir, urls: blockUrlDefaults("embedded"), stack, ...(clock && { clock }) }));
}

/** Lines of a file of the test data. */
export async function testLines(name: string): Promise<readonly string[]> {
  const text = await readFile(join(import.meta.dirname, "testdata", name), "utf8");
  return text.trim().split("\n");
}
