import type { JsonObject as ProtoJsonObject } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { type BulkIndexRequest, IndexDefinitionSchema, IndexerService } from "@weft/contracts/indexer";
import { type Clock, WeftError } from "@weft/kit";
import { implement, type ServiceImplementation } from "@weft/rpc";
import type { SearchEngine } from "@weft/search";
import { bulkIndex, type BulkLine } from "../app/bulk-index.ts";
import { listPage, removeDocument, removeIndex } from "../app/indexes.ts";
import { fromMessage, toMessage } from "./convert.ts";

/** `weft.indexer.v1.IndexerService` over the use cases. */
export function indexerService(context: {
  readonly engine: SearchEngine;
  readonly clock: Clock;
}): ServiceImplementation {
  const { engine } = context;
  return implement(IndexerService, {
    // The contract says that `definition` is there; an empty one stands in only for the compiler.
    createIndex: async ({ definition = create(IndexDefinitionSchema) }) => ({
      definition: toMessage(await engine.createIndex(fromMessage(definition))),
    }),
    listIndexes: async ({ pageSize: size, pageToken }) => {
      const { indexes, nextPageToken } = await listPage(engine, { size, pageToken });
      return { indexes: indexes.map(toMessage), nextPageToken };
    },
    getIndex: async ({ index }) => ({ definition: toMessage(await engine.getIndex(index)) }),
    deleteIndex: async ({ index }) => {
      await removeIndex(engine, index);
      return {};
    },
    bulkIndex: async (requests) => {
      const { index, batches } = await opened(requests);
      const result = await bulkIndex(context, index, batches);
      return { ...result, errors: [...result.errors] };
    },
    // A document came in as JSON: readonly here and plain there are the same objects.
    getDocument: async ({ index, id }) => ({ document: (await engine.getDocument(index, id)) as ProtoJsonObject }),
    deleteDocument: async ({ index, id }) => {
      await removeDocument(engine, index, id);
      return {};
    },
  });
}

/** The index that the first message names, and the lines of all of them. */
async function opened(
  requests: AsyncIterable<BulkIndexRequest>,
): Promise<{ readonly index: string; readonly batches: AsyncIterable<readonly BulkLine[]> }> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  const index = first.done === true ? "" : first.value.index;
  if (first.done === true || index === "") {
    throw new WeftError("INVALID_ARGUMENT", "the first message of a load must name the index", {
      violations: [{ field: "index", description: "is needed in the first message" }],
    });
  }
  const { items } = first.value;
  async function* batches(): AsyncGenerator<readonly BulkLine[]> {
    yield items;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value.items;
  }
  return { index, batches: batches() };
}
