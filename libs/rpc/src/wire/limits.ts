/** Largest message that servers and transports take and send unless told otherwise: 4 MiB, gRPC's own default. */
export const defaultMaxMessageBytes = 4 * 1024 * 1024;

/** What of an error fits into HTTP/2 headers, of which peers take 64 KiB by default. */
export const errorLimits = { messageLength: 2_000, violations: 50, descriptionLength: 200 } as const;
