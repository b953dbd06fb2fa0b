/** The inner modules of kafkajs 2.2.4 that are touched; they have no types of their own. */
declare module "kafkajs/src/network/requestQueue/index.js" {
  class RequestQueue {
    readonly pending: readonly unknown[];
    /** Milliseconds since the epoch; -1 for never. */
    readonly throttledUntil: number;
    throttleCheckTimeoutId: NodeJS.Timeout | null;
    checkPendingRequests(): void;
    scheduleCheckPendingRequests(): void;
  }
  export default RequestQueue;
}

declare module "kafkajs/src/protocol/decoder.js" {
  class Decoder {
    readonly buffer: Buffer;
    offset: number;
    readVarInt(): number;
    readVarIntBytes(): Buffer | null;
    /** Of it kafkajs takes `reduce` alone. */
    readVarIntArray(read: (decoder: Decoder) => unknown): { reduce(...args: never): unknown };
  }
  export default Decoder;
}

declare module "kafkajs/src/protocol/recordBatch/header/v0/decoder.js" {
  import type Decoder from "kafkajs/src/protocol/decoder.js";
  const decodeHeader: (decoder: Decoder) => unknown;
  export default decodeHeader;
}
