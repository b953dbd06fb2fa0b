// The same handler as a controller of NestJS, on its gRPC transport.
import "reflect-metadata";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { create } from "@bufbuild/protobuf";
import { Controller, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { GrpcMethod, type MicroserviceOptions, Transport } from "@nestjs/microservices";
import { type GetUserResponse, GetUserResponseSchema } from "@weft/contracts/user";
import { getUser } from "../peers/grpc-methods.ts";
import { handlers } from "../peers/users.ts";
import { workOf } from "./work.ts";

const work = workOf(process.argv[2]);

class UserController {
  async getUser({ id }: { readonly id: string }): Promise<GetUserResponse> {
    await work();
    return create(GetUserResponseSchema, { user: handlers.getUser(id) });
  }
}

class UserModule {}

// What decorators would say, which need more than erasing types.
const method = Object.getOwnPropertyDescriptor(UserController.prototype, "getUser");
if (method === undefined) throw new Error("the controller has no method");
GrpcMethod("UserService", "GetUser")(UserController.prototype, "getUser", method);
Controller()(UserController);
Module({ controllers: [UserController] })(UserModule);

const url = `127.0.0.1:${await freePort()}`;
const app = await NestFactory.createMicroservice<MicroserviceOptions>(UserModule, {
  transport: Transport.GRPC,
  options: { package: "weft.user.v1", packageDefinition: { "weft.user.v1.UserService": { GetUser: getUser } }, url },
  logger: false,
});
await app.listen();
process.send?.({ address: url });
process.on("SIGTERM", () => process.exit(0));
process.on("disconnect", () => process.exit(0));

/** Nest does not tell which port it was given, so it is asked for a certain one. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
