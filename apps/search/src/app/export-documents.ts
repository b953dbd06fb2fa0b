import { parseFilter } from "@weft/filter";
import type { SearchEngine } from "@weft/search";

/** A message is sent when it holds this many documents, or bytes. */
const batch = { documents: 200, bytes: 256 * 1024 };

/** Every matching document of one snapshot, as JSON in UTF-8, in batches. */
export async function* exportDocuments(
  engine: SearchEngine,
  input: { readonly index: string; readonly q: string; readonly filter: string },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array[]> {
  const query = { text: input.q, ...(input.filter.trim() === "" ? {} : { filter: parseFilter(input.filter) }) };
  let items: Uint8Array[] = [];
  let bytes = 0;
  for await (const document of engine.scan(input.index, query, signal)) {
    const item = Buffer.from(JSON.stringify(document));
    items.push(item);
    bytes += item.byteLength;
    if (items.length < batch.documents && bytes < batch.bytes) continue;
    yield items;
    items = [];
    bytes = 0;
  }
  if (items.length > 0) yield items;
}
