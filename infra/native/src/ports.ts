import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import { WeftError } from "@weft/kit";

/**
 * Below what systems hand out for outgoing connections (Linux: 32768 and up): a server that is started again finds its
 * port free, and a client that keeps trying to reach it can't by chance connect to itself from that very port.
 */
const range = { from: 10_000, to: 32_000 } as const;
const maxTries = 200;

/** A port of 127.0.0.1 that nothing listens on now, and that no outgoing connection will take. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new WeftError("INTERNAL", "no port was found");
  return port;
}

/** Different ones. `UNAVAILABLE` when there are none. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held: { readonly port: number; readonly server: Server }[] = [];
  try {
    for (let tries = 0; held.length < count; tries += 1) {
      if (tries > maxTries) throw new WeftError("UNAVAILABLE", "no free port was found");
      const port = randomInt(range.from, range.to);
      const server = await listen(port);
      if (server !== undefined) held.push({ port, server });
    }
    return held.map(({ port }) => port);
  } finally {
    await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  }
}

/** Whether something listens on a port of 127.0.0.1. */
export async function isTaken(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return true;
  await new Promise((resolve) => server.close(resolve));
  return false;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
