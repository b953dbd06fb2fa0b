/** An event by CloudEvents 1.0 (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md). */
export interface CloudEvent {
  /** Unique within `source`: the identity that an inbox remembers. */
  readonly id: string;
  /** Who says it, for example `/weft/user`. */
  readonly source: string;
  /** What happened: the full name of the message in `data`, for example `weft.event.v1.UserCreated`. */
  readonly type: string;
  /** Id of the aggregate that it happened to. */
  readonly subject?: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Media type of `data`, for example `application/protobuf`. */
  readonly dataContentType: string;
  readonly data: Uint8Array;
  /** Extension attributes: lower-case letters and digits. Ours: `aggregateversion`, `traceparent`, `tracestate`. */
  readonly extensions: Readonly<Record<string, string>>;
}
