import { create, type JsonObject as ProtoJsonObject } from "@bufbuild/protobuf";
import { type BulkIndexRequest, IndexDefinitionSchema, IndexerService } from "@weft/contracts/indexer";
import { WeftError } from "@weft/kit";
import { implement, type ServiceImplementation } from "@weft/rpc";
import type { SearchEngine } from "@weft/search";
import { type BulkContext, bulkIndex, type BulkLine } from "../app/bulk-index.ts";
import { deleteDocument, deleteIndex, getDocument, listIndexes, refuseFollower } from "../app/indexes.ts";
import { getOperation, type ReindexContext, startReindex } from "../app/reindex.ts";
import { fromMessage, toMessage, toOperation } from "./convert.ts";

/** What the service works with. */
export interface IndexerContext extends BulkContext, ReindexContext {
  readonly engine: SearchEngine;
}

/** `weft.indexer.v1.IndexerService` over the use cases. */
export function indexerService(context: IndexerContext): ServiceImplementation {
  const { engine } = context;
  return implement(IndexerService, {
    // The contract says that `definition` is there; an empty one stands in only for the compiler.
    createIndex: async ({ definition = create(IndexDefinitionSchema) }) => ({
      definition: toMessage(await engine.createIndex(fromMessage(definition))),
    }),
    listIndexes: async (request) => {
      const { indexes, nextPageToken } = await listIndexes(engine, request);
      return { indexes: indexes.map(toMessage), nextPageToken };
    },
    getIndex: async ({ index }) => ({ definition: toMessage(await engine.getIndex(index)) }),
    deleteIndex: async ({ index }) => {
      await deleteIndex(engine, index);
      return {};
    },
    bulkIndex: async (requests, { signal }) => {
      const { index, lines } = await readStream(requests);
      refuseFollower(index);
      const result = await bulkIndex(context, index, lines, signal);
      return { ...result, errors: [...result.errors] };
    },
    getDocument: async ({ index, id }) => {
      // A document came in as JSON: readonly here and plain there are the same objects.
      return { document: (await getDocument(engine, index, id)) as ProtoJsonObject };
    },
    deleteDocument: async ({ index, id }) => {
      await deleteDocument(engine, index, id);
      return {};
    },
    reindex: async ({ index, definition, requestId }, { principal }) => {
      const wanted = definition && fromMessage(definition);
      const input = { index, definition: wanted, caller: principal?.subject ?? "", requestId };
      return { operation: toOperation(await startReindex(context, input)) };
    },
    getOperation: async ({ id }) => ({ operation: toOperation(await getOperation(context.operations, id)) }),
  });
}

/** The index that the first message names, and the lines of all of them. */
async function readStream(
  requests: AsyncIterable<BulkIndexRequest>,
): Promise<{ readonly index: string; readonly lines: AsyncIterable<readonly BulkLine[]> }> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true || first.value.index === "") {
    const description = "is needed in the first message";
    throw new WeftError("INVALID_ARGUMENT", `index ${description}`, { violations: [{ field: "index", description }] });
  }
  const { index, items } = first.value;
  async function* lines(): AsyncIterable<readonly BulkLine[]> {
    yield items;
    // Leaving early ends the stream of requests too.
    for await (const request of { [Symbol.asyncIterator]: () => iterator }) yield request.items;
  }
  return { index, lines: lines() };
}
