export * from "./gen/weft/event/v1/user_event_pb.ts";
