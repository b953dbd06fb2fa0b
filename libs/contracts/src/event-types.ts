import { createRegistry } from "@bufbuild/protobuf";
import { file_weft_event_v1_user_event } from "./gen/weft/event/v1/user_event_pb.ts";

/** The messages of `weft.event.v1` by their full names, which are the types of events. */
export const eventTypes = createRegistry(file_weft_event_v1_user_event);
