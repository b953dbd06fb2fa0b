import type { DescService } from "@bufbuild/protobuf";
import { EventsService } from "./events.ts";
import { IndexerService } from "./indexer.ts";
import { NotificationService } from "./notification.ts";
import { SearchService } from "./search.ts";
import { AuthService, UserService } from "./user.ts";

/** The public services, and the process that serves each: the name under which discovery lists it. */
export const services: readonly { readonly service: DescService; readonly target: string }[] = [
  { service: UserService, target: "user" },
  { service: AuthService, target: "user" },
  { service: IndexerService, target: "indexer" },
  { service: EventsService, target: "indexer" },
  { service: SearchService, target: "search" },
  { service: NotificationService, target: "notification" },
];
