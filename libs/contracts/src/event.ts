export * from "./gen/weft/event/v1/user_event_pb.ts";
export { eventTypes } from "./event-types.ts";
export { readUserEvent, type UserEvent, userTopic } from "./user-events.ts";
