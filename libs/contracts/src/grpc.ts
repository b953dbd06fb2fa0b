export * from "./gen/grpc/health/v1/health_pb.ts";
export {
  file_grpc_reflection_v1_reflection,
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionRequest,
  ServerReflectionResponseSchema,
  type ServerReflectionResponse,
} from "./gen/grpc/reflection/v1/reflection_pb.ts";
export { ServerReflection as ServerReflectionAlpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
export { Channelz } from "./gen/grpc/channelz/v1/channelz_pb.ts";
