import type { ServerName } from "@weft/native";

/** Said here again, so that every other command does not load what it has no use for. */
export const serverNames = ["consul", "elasticsearch", "kafka", "postgres", "redis"] as const satisfies ServerName[];

export type { ServerName };
