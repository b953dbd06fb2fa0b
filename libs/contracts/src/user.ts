export * from "./gen/weft/user/v1/user_pb.ts";
export * from "./gen/weft/user/v1/user_service_pb.ts";
export * from "./gen/weft/user/v1/auth_service_pb.ts";
