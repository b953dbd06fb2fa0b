import type { Server, Socket } from "node:net";

/** The open connections of a server, as they come and go. To be asked for before it listens. */
export function openSocketsOf(server: Server): ReadonlySet<Socket> {
  const open = new Set<Socket>();
  server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  return open;
}
