import type { DescService } from "@bufbuild/protobuf";
import type { Discovery } from "@weft/discovery";
import { type Client, createClient, openTransport, type Transport } from "@weft/rpc";

/** The ways to other services: one transport a target, made when it is first asked for. */
export class Mesh {
  readonly #discovery: Discovery;
  readonly #stack: AsyncDisposableStack;
  readonly #transports = new Map<string, Transport>();

  /** @param stack disposes the transports */
  constructor(discovery: Discovery, stack: AsyncDisposableStack) {
    this.#discovery = discovery;
    this.#stack = stack;
  }

  transport(target: string): Transport {
    let transport = this.#transports.get(target);
    if (transport === undefined) {
      transport = this.#stack.use(openTransport({ target, discovery: this.#discovery }));
      this.#transports.set(target, transport);
    }
    return transport;
  }

  client<S extends DescService>(service: S, target: string): Client<S> {
    return createClient(service, this.transport(target));
  }
}
