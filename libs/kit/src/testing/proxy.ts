import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A TCP proxy before a server, whose network a test breaks and mends. Disposing closes it and all that went through it. */
export interface FaultProxy extends AsyncDisposable {
  /** Where clients connect: a port of 127.0.0.1 that stays the same. */
  readonly port: number;
  /** Resets every connection and refuses new ones, until `restore`. */
  cut(): Promise<void>;
  /**
   * Accepts connections and keeps them open, but passes nothing any more, not even that an end closed, until `restore`;
   * what was under way is lost with its connection.
   */
  stall(): Promise<void>;
  /** Passes everything this much later, in both directions, until `restore`. Milliseconds. */
  slow(latencyMs: number): Promise<void>;
  /**
   * Loses this share of all pieces, in both directions, until `restore`. A lost piece is sent again as TCP does it when
   * nothing follows that would tell: 200 ms later, and when it is lost again 400 ms after that; what comes behind waits.
   */
  lose(share: number): Promise<void>;
  /** Resets every connection once; new ones work. */
  reset(): Promise<void>;
  /** The network is well again. */
  restore(): Promise<void>;
}

/** Most bytes on their way in one direction of a connection; then its sender has to wait. */
const maxWaitingBytes = 1024 * 1024;

/** Least time until TCP sends again what was not acknowledged, in milliseconds: Linux' TCP_RTO_MIN. It doubles. */
const retransmitMs = 200;
/** Most times that a piece is lost, so that it arrives in the end. */
const mostLosses = 6;

/**
 * Opens a proxy before a port of 127.0.0.1. `port` names its own; default: a free one. `random` gives numbers in [0, 1)
 * that say what is lost.
 */
export async function openProxy(target: number, port = 0, random: () => number = Math.random): Promise<FaultProxy> {
  const proxy = new Proxy(target, random);
  await proxy.listen(port);
  return proxy;
}

class Proxy implements FaultProxy {
  port = 0;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  readonly #random: () => number;
  #latencyMs = 0;
  #lossShare = 0;
  #stalled = false;

  constructor(target: number, random: () => number) {
    this.#target = target;
    this.#random = random;
  }

  async listen(port: number): Promise<void> {
    // Half open: an end that has said all may still be answered.
    const server = createServer({ allowHalfOpen: true }, (client) => this.#join(client));
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.close();
    await this.reset();
  }

  async stall(): Promise<void> {
    this.#stalled = true;
  }

  async slow(latencyMs: number): Promise<void> {
    this.#latencyMs = latencyMs;
  }

  async lose(share: number): Promise<void> {
    this.#lossShare = share;
  }

  async reset(): Promise<void> {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  async restore(): Promise<void> {
    this.#latencyMs = 0;
    this.#lossShare = 0;
    // Bytes were swallowed: those connections are of no use to anybody.
    if (this.#stalled) await this.reset();
    this.#stalled = false;
    if (this.#server === undefined) await this.listen(this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut();
  }

  /** How long losses hold up a piece, in milliseconds. */
  #heldBackMs(): number {
    let losses = 0;
    while (losses < mostLosses && this.#random() < this.#lossShare) losses += 1;
    return retransmitMs * (2 ** losses - 1);
  }

  #join(client: Socket): void {
    const server = connect({ port: this.#target, host: "127.0.0.1", allowHalfOpen: true });
    this.#pass(client, server);
    this.#pass(server, client);
  }

  #pass(from: Socket, to: Socket): void {
    let waitingBytes = 0;
    let last = Promise.resolve();
    /** After all that came before, and no sooner than the latency says. */
    const later = (bytes: number, deliver: () => Promise<void>): void => {
      const due = performance.now() + this.#latencyMs + this.#heldBackMs();
      waitingBytes += bytes;
      if (waitingBytes >= maxWaitingBytes) from.pause();
      last = last.then(async () => {
        const waitMs = due - performance.now();
        if (waitMs > 0) await sleep(waitMs);
        if (!this.#stalled && to.writable) await deliver();
        waitingBytes -= bytes;
        if (waitingBytes < maxWaitingBytes) from.resume();
      });
    };
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => {
      if (!this.#stalled) later(chunk.byteLength, () => write(to, chunk));
    });
    from.on("end", () => later(0, async () => void to.end()));
    from.on("error", () => {
      if (!this.#stalled) to.resetAndDestroy();
    });
    from.on("close", () => this.#sockets.delete(from));
  }
}

/** Resolves when the socket takes more, or is gone. */
function write(to: Socket, chunk: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      to.off("drain", done).off("close", done);
      resolve();
    };
    if (to.write(chunk)) return resolve();
    to.on("drain", done).on("close", done);
  });
}
