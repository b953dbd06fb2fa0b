/** What the server sends while it streams: https://www.postgresql.org/docs/18/protocol-replication.html */
export type ServerMessage =
  /** `transaction`: the lower 32 bits of its number. */
  | { readonly kind: "begin"; readonly transaction: number }
  /** The first column of a new row, as text. */
  | { readonly kind: "insert"; readonly value: string }
  /** `position`: where the transaction ends in the log. */
  | { readonly kind: "commit"; readonly position: bigint }
  /** Everything before `position` has been sent. */
  | { readonly kind: "keepalive"; readonly position: bigint; readonly wantsReply: boolean }
  | { readonly kind: "other" };

const other: ServerMessage = { kind: "other" };
/** Before each logged message: `w`, two positions, the time. */
const headerBytes = 25;
const text = 0x74;

/**
 * Reads one message. Of the plugin's own (`pgoutput`, protocol version 1, values as text) those about rows and
 * transactions: https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html
 */
export function readMessage(bytes: Buffer): ServerMessage {
  switch (String.fromCharCode(bytes.readUInt8(0))) {
    case "k":
      return { kind: "keepalive", position: bytes.readBigUInt64BE(1), wantsReply: bytes.readUInt8(17) === 1 };
    case "w":
      return readLogged(bytes.subarray(headerBytes));
    default:
      return other;
  }
}

function readLogged(bytes: Buffer): ServerMessage {
  switch (String.fromCharCode(bytes.readUInt8(0))) {
    case "B":
      // After the position of the commit and its time.
      return { kind: "begin", transaction: bytes.readUInt32BE(17) };
    case "C":
      // Flags, and where the commit itself is.
      return { kind: "commit", position: bytes.readBigUInt64BE(10) };
    case "I":
      return { kind: "insert", value: firstColumn(bytes.subarray(5)) };
    default:
      return other;
  }
}

/** Of `N`, the number of columns, and for each its kind, its length and its text. */
function firstColumn(tuple: Buffer): string {
  if (tuple.readUInt16BE(1) === 0 || tuple.readUInt8(3) !== text) return "";
  return tuple.toString("utf8", 8, 8 + tuple.readUInt32BE(4));
}

/** Since when the server counts time, in milliseconds since the epoch. */
const epochMs = Date.UTC(2000, 0, 1);

/**
 * Tells the server how far we are; `asks` for an answer at once. A copy-data message of the protocol with a standby
 * status update in it.
 */
export function statusMessage(position: bigint, nowMs: number, asks: boolean): Buffer {
  const message = Buffer.alloc(39);
  message.write("d", 0);
  message.writeUInt32BE(38, 1);
  message.write("r", 5);
  // Written, flushed and applied are one here.
  for (const offset of [6, 14, 22]) message.writeBigUInt64BE(position, offset);
  message.writeBigInt64BE(BigInt(nowMs - epochMs) * 1000n, 30);
  message.writeUInt8(asks ? 1 : 0, 38);
  return message;
}
