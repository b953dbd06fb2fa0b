import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Channel, Metadata, status as codes, type StatusObject } from "@grpc/grpc-js";
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
} from "@weft/contracts/grpc";
import { parseResets, type ResetAllowance, resetsKey } from "../wire/resets.ts";
import type { RawCall } from "./link.ts";

/** Asks for the server as a whole. */
const request = Buffer.from(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema)));

/** What a watch tells: whether the server says that it serves, and that it says nothing more. */
export interface HealthListener {
  onServing(isServing: boolean): void;
  /** How many calls of this connection may be cancelled; told first, by a server that says so. */
  onAllowance(allowance: ResetAllowance): void;
  /** `isSilent`: it has no such service, so there is nothing to ask for again. */
  onWatchEnd(isSilent: boolean): void;
}

/**
 * What a server says of its health, as it changes: one stream for each connection
 * (https://github.com/grpc/grpc/blob/master/doc/health-checking.md, gRFC A17).
 */
export class HealthWatch {
  readonly #raw: RawCall;
  #listener: HealthListener | undefined;

  constructor(channel: Channel, listener: HealthListener) {
    this.#listener = listener;
    this.#raw = channel.createCall("/grpc.health.v1.Health/Watch", Number.POSITIVE_INFINITY, null, null, null);
    ask(this.#raw, this);
  }

  close(): void {
    this.#listener = undefined;
    this.#raw.cancelWithStatus(codes.CANCELLED, "nobody asks any more");
  }

  onReceiveMetadata(metadata: Metadata): void {
    const allowance = parseResets(String(metadata.get(resetsKey)[0]));
    if (allowance !== undefined) this.#listener?.onAllowance(allowance);
  }

  onReceiveMessage(bytes: Buffer): void {
    const isServing = isServingIn(bytes);
    if (isServing !== undefined) this.#listener?.onServing(isServing);
    this.#raw.startRead();
  }

  onReceiveStatus({ code }: StatusObject): void {
    const isSilent = code === codes.UNIMPLEMENTED || code === codes.UNAUTHENTICATED || code === codes.PERMISSION_DENIED;
    this.#listener?.onWatchEnd(isSilent);
  }
}

/** Asks a server whether it is there: any answer of its own says so, `UNIMPLEMENTED` too. */
export class Probe {
  readonly #onAnswer: () => void;
  readonly #raw: RawCall;

  constructor(channel: Channel, onAnswer: () => void) {
    this.#onAnswer = onAnswer;
    this.#raw = channel.createCall("/grpc.health.v1.Health/Check", Number.POSITIVE_INFINITY, null, null, null);
    ask(this.#raw, this);
  }

  close(): void {
    this.#raw.cancelWithStatus(codes.CANCELLED, "nobody asks any more");
  }

  onReceiveMetadata(): void {
    this.#onAnswer();
  }

  onReceiveMessage(): void {
    this.#onAnswer();
  }

  onReceiveStatus({ code }: StatusObject): void {
    // Those two are what this side says of a connection that is gone, too.
    if (code !== codes.UNAVAILABLE && code !== codes.CANCELLED) this.#onAnswer();
  }
}

function ask(raw: RawCall, listener: Parameters<RawCall["start"]>[1]): void {
  raw.start(new Metadata(), listener);
  raw.startRead();
  raw.sendMessageWithContext({}, request);
  raw.halfClose();
}

function isServingIn(bytes: Buffer): boolean | undefined {
  try {
    return fromBinary(HealthCheckResponseSchema, bytes).status === Status.SERVING;
  } catch {
    return undefined; // Not a word that can be understood, so none.
  }
}
