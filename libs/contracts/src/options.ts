export * from "./gen/weft/options/v1/options_pb.ts";
