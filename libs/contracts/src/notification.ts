export * from "./gen/weft/notification/v1/notification_service_pb.ts";
