import type { Clock, NewId } from "@weft/kit";
import type { OuterChannel } from "../domain/preferences.ts";
import type { Inbox } from "../store/inbox.ts";
import type { Jobs } from "../store/jobs.ts";
import type { People } from "../store/people.ts";
import type { Changes } from "./changes.ts";
import type { Sender } from "./sender.ts";

/** What use cases work with. */
export interface Parts {
  readonly people: People;
  readonly inbox: Inbox;
  readonly jobs: Jobs;
  readonly changes: Changes;
  /** The channels that are configured. */
  readonly senders: Readonly<Partial<Record<OuterChannel, Sender>>>;
  readonly clock: Clock;
  readonly newId: NewId;
}
