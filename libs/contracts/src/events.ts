export * from "./gen/weft/events/v1/events_service_pb.ts";
