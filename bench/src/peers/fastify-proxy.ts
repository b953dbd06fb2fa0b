// What a careful team writes by hand: fastify in front of a grpc-js client, two routes, JSON by the protobuf mapping,
// errors as problems, the caller's token and trace passed on; no validation, no trace of its own.
import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { CreateUserRequestSchema, GetUserRequestSchema, NewUserSchema, UserSchema } from "@weft/contracts/user";
import Fastify, { type FastifyRequest } from "fastify";
import { caller, type Passed } from "./grpc-client.ts";
import { createUser, getUser } from "./grpc-methods.ts";

const [address] = process.argv.slice(2);
if (address === undefined) throw new Error("usage: fastify-proxy.ts ADDRESS");

const callGet = caller(address, getUser);
const callCreate = caller(address, createUser);
const app = Fastify();

function passedOn({ headers }: FastifyRequest): Passed {
  const { authorization, traceparent } = headers;
  return { authorization, traceparent: typeof traceparent === "string" ? traceparent : undefined };
}

app.get<{ Params: { id: string } }>("/api/v1/users/:id", async (request, reply) => {
  const { user } = await callGet(create(GetUserRequestSchema, { id: request.params.id }), passedOn(request));
  if (user === undefined) return reply.code(404).send();
  return reply.header("etag", `"${user.etag}"`).send(toJson(UserSchema, user, { alwaysEmitImplicit: true }));
});

app.post("/api/v1/users", async (request, reply) => {
  const user = fromJson(NewUserSchema, request.body as JsonValue);
  const created = await callCreate(create(CreateUserRequestSchema, { user }), passedOn(request));
  if (created.user === undefined) return reply.code(500).send();
  return reply
    .code(201)
    .header("location", `/api/v1/users/${created.user.id}`)
    .send(toJson(UserSchema, created.user, { alwaysEmitImplicit: true }));
});

app.setErrorHandler((error, _request, reply) => {
  const detail = error instanceof Error ? error.message : "an unexpected error";
  return reply.code(500).type("application/problem+json").send({ title: "error", status: 500, detail });
});

process.send?.({ address: (await app.listen({ host: "127.0.0.1", port: 0 })).replace("http://", "") });
process.on("SIGTERM", () => process.exit(0));
process.on("disconnect", () => process.exit(0));
