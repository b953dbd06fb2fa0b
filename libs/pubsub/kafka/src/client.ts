import { type Socket, connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Log, WeftError, withTimeout } from "@weft/kit";
import { type Cluster, Kafka, logLevel, type SASLOptions } from "kafkajs";
import { patchRecordHeaders } from "./record-headers.ts";
import { patchRequestQueue } from "./request-queue.ts";
import type { KafkaSettings } from "./settings.ts";

/** How long one request may take, in milliseconds. Calls have a longer deadline, for another try. */
export const requestTimeoutMs = 5000;
const connectTimeoutMs = 3000;

/**
 * What a broker answers, or `DEADLINE_EXCEEDED`: a little later than kafkajs gives up, which it may forget to do for a
 * connection that it is about to close.
 */
export function answered<T>(what: string, work: () => Promise<T>): Promise<T> {
  return withTimeout(work, { timeoutMs: 2 * requestTimeoutMs, what: `kafka: ${what}` });
}

/**
 * A kafkajs client whose connections can be cut. kafkajs keeps using a connection on which nothing is answered any
 * more, so nothing here is mended: after a failure a client is destroyed, and another one begins afresh.
 */
export class Client {
  readonly kafka: Kafka;
  readonly #sockets = new Set<Socket>();
  /** kafkajs takes what stands before the first colon for the host: IPv6 addresses go through it by another name. */
  readonly #addresses: ReadonlyMap<string, string>;
  #destroyed = false;

  constructor(settings: KafkaSettings, log: Log) {
    patchRequestQueue();
    patchRecordHeaders();
    this.#addresses = new Map(settings.brokers.map(({ host }) => [host.replaceAll(":", "_"), host]));
    this.kafka = new Kafka({
      clientId: "weft",
      brokers: settings.brokers.map(({ host, port }) => `${host.replaceAll(":", "_")}:${port}`),
      ssl: settings.tls,
      ...(settings.login === undefined ? {} : { sasl: saslOf(settings.login) }),
      connectionTimeout: connectTimeoutMs,
      authenticationTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      enforceRequestTimeout: true,
      // A few tries for what a healthy broker answers while it elects or loads; the rest is the business of our callers.
      retry: { retries: 4, initialRetryTime: 50, maxRetryTime: 1000 },
      logLevel: logLevel.INFO,
      // Every failure reaches a caller, or a log line of ours that says what it means.
      logCreator: () => (entry) => {
        const { message, timestamp: _, logger: __, stack: ___, ...fields } = entry.log;
        log.debug({ ...fields, namespace: entry.namespace, level: undefined }, `kafkajs: ${message}`);
      },
      socketFactory: ({ host, port, ssl, onConnect }) => this.#connect(host, port, ssl, onConnect),
    });
  }

  /** kafkajs' own view of the brokers, which it shows to partition assigners only. */
  cluster(groupId: string): Cluster {
    let cluster: Cluster | undefined;
    this.kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      metadataMaxAge: 30_000,
      partitionAssigners: [
        (given) => {
          cluster = given.cluster;
          return {
            name: "none",
            version: 0,
            assign: () => Promise.resolve([]),
            protocol: () => ({ name: "none", metadata: Buffer.alloc(0) }),
          };
        },
      ],
    });
    if (cluster === undefined) throw new WeftError("INTERNAL", "this version of kafkajs gives assigners no cluster");
    return cluster;
  }

  /** Cuts every connection, now and from now on. */
  destroy(): void {
    this.#destroyed = true;
    for (const socket of this.#sockets) socket.destroy(new Error("the client was closed"));
    this.#sockets.clear();
  }

  #connect(name: string, port: number, ssl: object | undefined, onConnect: () => void): Socket {
    const host = this.#addresses.get(name) ?? name;
    if (this.#destroyed) throw new WeftError("UNAVAILABLE", "the client was closed");
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect)
      : connectTcp({ host, port }, onConnect);
    socket.setKeepAlive(true, 30_000);
    // Requests are written whole: waiting for more to send with them would only cost time.
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }
}

function saslOf({ mechanism, username, password }: NonNullable<KafkaSettings["login"]>): SASLOptions {
  return { mechanism, username, password: password.reveal() };
}
