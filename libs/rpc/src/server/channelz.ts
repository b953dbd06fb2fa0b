import {
  getChannelzHandlers,
  getChannelzServiceDefinition,
  type handleUnaryCall,
  type MethodDefinition,
  type Server,
} from "@grpc/grpc-js";

const methods = [
  "GetTopChannels",
  "GetServers",
  "GetServer",
  "GetServerSockets",
  "GetChannel",
  "GetSubchannel",
  "GetSocket",
] as const;

/**
 * Adds grpc-js's channelz service. Its definition parses a proto file, which takes as long as the rest of a start, so
 * that happens when somebody first asks.
 */
export function addChannelz(server: Server): void {
  const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {};
  const implementation: Record<string, handleUnaryCall<Buffer, Buffer>> = {};
  for (const name of methods) {
    definition[name] = {
      path: `/grpc.channelz.v1.Channelz/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    implementation[name] = (call, respond) => {
      const real = getChannelzServiceDefinition()[name];
      const handler: unknown = Reflect.get(getChannelzHandlers(), name);
      if (real === undefined || typeof handler !== "function") return respond({ code: 12, details: "no channelz" });
      const request: unknown = real.requestDeserialize(call.request);
      handler({ request }, (error: Error | null, value?: object) =>
        respond(error, value === undefined ? null : real.responseSerialize(value)),
      );
    };
  }
  server.addService(definition, implementation);
}

/** Bytes as they are. */
export function same(bytes: Buffer): Buffer {
  return bytes;
}
