export * from "./gen/weft/indexer/v1/index_pb.ts";
export * from "./gen/weft/indexer/v1/indexer_service_pb.ts";
