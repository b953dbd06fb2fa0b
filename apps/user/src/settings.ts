import { type ConfigOf, setting } from "@weft/kit";

const dayMs = 24 * 3_600_000;

/** What can be configured at the user service. */
export const settings = {
  accessTokenMs: setting.durationMs("user.accessTokenMs", {
    default: 15 * 60_000,
    min: 10_000,
    max: dayMs,
    about: "Life of an access token.",
  }),
  refreshTokenMs: setting.durationMs("user.refreshTokenMs", {
    default: 30 * dayMs,
    min: 60_000,
    max: 365 * dayMs,
    about: "How long a session lives without being refreshed.",
  }),
  adminTokenFile: setting.text("user.adminTokenFile", {
    about:
      "Where a token of the administrator is kept, mode 0600. Unset: `admin-token` in the data folder with the embedded profile, nowhere otherwise.",
  }),
  outboxRelay: setting.choice("user.outboxRelay", {
    values: ["table", "replication"],
    default: "table",
    about:
      "How events get from the outbox to publish/subscribe: by reading its table, or by following PostgreSQL's log (logical replication), which takes `wal_level = logical` and a user with REPLICATION.",
  }),
};

/** The values of the settings. */
export type UserConfig = ConfigOf<typeof settings>;
