// The same calls by hand: a bare grpc-js client for each server, one after the other.
import { create } from "@bufbuild/protobuf";
import { GetUserRequestSchema } from "@weft/contracts/user";
import { caller } from "./grpc-client.ts";
import { getUser } from "./grpc-methods.ts";
import { callOnDemand } from "./load.ts";

const callers = process.argv.slice(2).map((address) => caller(address, getUser));
let turn = 0;
callOnDemand(async () => {
  turn = (turn + 1) % callers.length;
  await callers[turn]?.(create(GetUserRequestSchema, { id: "1" }));
});
process.send?.({ address: "none" });
process.on("SIGTERM", () => process.exit(0));
process.on("disconnect", () => process.exit(0));
