import type { MethodDefinition } from "@grpc/grpc-js";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  CreateUserRequestSchema,
  CreateUserResponseSchema,
  GetUserRequestSchema,
  GetUserResponseSchema,
} from "@weft/contracts/user";

/** How one writes a unary method for bare grpc-js. */
function unary<I extends DescMessage, O extends DescMessage>(
  path: string,
  input: I,
  output: O,
): MethodDefinition<MessageShape<I>, MessageShape<O>> {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

export const getUser = unary("/weft.user.v1.UserService/GetUser", GetUserRequestSchema, GetUserResponseSchema);
export const createUser = unary(
  "/weft.user.v1.UserService/CreateUser",
  CreateUserRequestSchema,
  CreateUserResponseSchema,
);
