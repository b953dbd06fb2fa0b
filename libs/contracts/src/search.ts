export * from "./gen/weft/search/v1/search_service_pb.ts";
