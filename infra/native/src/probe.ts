import { connect } from "node:net";

/** Sends bytes to a port of 127.0.0.1 and answers the first that come back. Rejects when none do. */
export function exchange(port: number, request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", signal });
    socket.once("connect", () => socket.write(request));
    socket.once("data", (answer: Buffer) => {
      resolve(answer);
      socket.destroy();
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the server closed the connection")));
  });
}

/** The body of a `GET` at a port of 127.0.0.1. Rejects for anything but a success. */
export async function getText(port: number, path: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal });
  const text = await response.text();
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return text;
}
