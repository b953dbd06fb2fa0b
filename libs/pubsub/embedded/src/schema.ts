/** The tables of `pubsub.db`; steps are only ever appended. */
export const schema: readonly string[] = [
  `
  CREATE TABLE partition (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    number INTEGER NOT NULL,
    next INTEGER NOT NULL DEFAULT 0, -- offset of the event to come
    UNIQUE (topic, number)
  );
  CREATE TABLE event (
    partition INTEGER NOT NULL REFERENCES partition (id),
    offset INTEGER NOT NULL,
    at INTEGER NOT NULL, -- when it was published, in milliseconds since the epoch
    key TEXT NOT NULL,
    attributes TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (partition, offset)
  ) WITHOUT ROWID;
  CREATE TABLE consumer_group (
    name TEXT PRIMARY KEY,
    generation INTEGER NOT NULL -- grows whenever the members change
  ) WITHOUT ROWID;
  CREATE TABLE member (
    id TEXT PRIMARY KEY,
    consumer_group TEXT NOT NULL,
    topics TEXT NOT NULL, -- a JSON list
    session_ms INTEGER NOT NULL,
    seen INTEGER NOT NULL -- the last sign of life, in milliseconds since the epoch
  ) WITHOUT ROWID;
  CREATE INDEX member_by_group ON member (consumer_group);
  CREATE TABLE cursor (
    consumer_group TEXT NOT NULL,
    topic TEXT NOT NULL,
    number INTEGER NOT NULL, -- of the partition; -1 stands for what waits to be retried
    committed INTEGER NOT NULL, -- offset of the first event that is not acknowledged
    owner TEXT, -- a member; only the owner of the epoch may commit
    epoch INTEGER NOT NULL DEFAULT 0, -- grows with each owner
    PRIMARY KEY (consumer_group, topic, number)
  ) WITHOUT ROWID;
  CREATE INDEX cursor_by_partition ON cursor (topic, number);
  CREATE TABLE parked (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL, -- name of a retry, replay or dead-letter topic
    due INTEGER NOT NULL, -- milliseconds since the epoch
    event_id TEXT NOT NULL,
    key TEXT NOT NULL,
    attributes TEXT NOT NULL,
    data BLOB NOT NULL
  );
  CREATE INDEX parked_by_due ON parked (queue, due);
  `,
];
