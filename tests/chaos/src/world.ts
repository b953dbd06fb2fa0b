import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { BlockUrls, Profile } from "@weft/blocks";
import { Secret } from "@weft/kit";
import { type FaultProxy, openProxy } from "@weft/kit/testing";
import { freePorts, type NativeServer, type ServerName, serverNames, startServer } from "@weft/native";
import { ensureDatabase } from "@weft/sql-postgres";
import { type Mesh, type ServerUrls, startMesh } from "@weft/system-tests";
import type { MutantName } from "./ledger.ts";
import { LedgerProcesses } from "./ledger-processes.ts";

/** A server, and the one way to it that everybody takes. */
export interface Linked {
  readonly server: NativeServer;
  readonly link: FaultProxy;
}

/** All that runs: servers behind links, the mesh on them, and the ledgers. Disposing ends it and leaves the folder. */
export interface World extends AsyncDisposable {
  readonly mesh: Mesh;
  readonly ledgers: LedgerProcesses;
  readonly servers: ReadonlyMap<ServerName, Linked>;
  /** Of the mesh, through the links. */
  readonly urls: BlockUrls;
  /** Of the ledgers. */
  readonly ledgerUrls: BlockUrls;
}

export interface WorldOptions {
  readonly profile: Profile;
  /** For everything: data, and what the processes say. */
  readonly folder: string;
  readonly replicas: Readonly<Record<string, number>>;
  readonly ledgers: number;
  readonly mutant?: MutantName;
  /** Ends the start half-way. */
  readonly signal: AbortSignal;
}

/** A machine that has other work takes its time. */
const startTimeoutMs = 300_000;

/** The servers of a profile: embedded, a mesh still has one. */
export function serversOf(profile: Profile): readonly ServerName[] {
  return profile === "embedded" ? ["postgres"] : serverNames;
}

/** Resolves when everything answers. */
export async function openWorld(options: WorldOptions): Promise<World> {
  const { profile, folder, replicas, ledgers: count, mutant, signal } = options;
  await using stack = new AsyncDisposableStack();
  const servers = new Map<ServerName, Linked>();
  // One after the other: a machine that starts five servers at once starts none of them in time.
  for (const name of serversOf(profile)) {
    signal.throwIfAborted();
    servers.set(name, await startLinked(name, join(folder, name), stack));
  }
  signal.throwIfAborted();
  const dataDir = join(folder, "mesh");
  await mkdir(dataDir, { mode: 0o700 });
  const linked = Object.fromEntries([...servers].map(([name, { server, link }]) => [name, moved(server, link.port)]));
  const sql = linked["postgres"] ?? "";
  const mesh = stack.use(
    await startMesh({
      dataDir,
      args: Object.entries(replicas).flatMap(([service, number]) => ["--replicas", `${service}=${number}`]),
      // With all five of them, of its type.
      ...(profile === "stack" ? { servers: linked as ServerUrls } : { env: { WEFT_SQL: sql } }),
    }),
  );
  const urls = profile === "stack" ? mesh.urls : { ...mesh.urls, sql };
  const ledgerUrls = { ...urls, sql: inDatabase(sql, "chaos_ledger") };
  await ensureDatabase(new Secret(ledgerUrls.sql));
  const told = { urls: ledgerUrls, dataDir, ...(mutant === undefined ? {} : { mutant }) };
  const ledgers = stack.use(new LedgerProcesses({ ...told, count, logDir: folder }));
  const all = stack.move();
  return { mesh, ledgers, servers, urls, ledgerUrls, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

async function startLinked(name: ServerName, dir: string, stack: AsyncDisposableStack): Promise<Linked> {
  const [port = 0, proxied = 0] = await freePorts(2);
  // Clients go where the broker says that it is: so it has to know of the link from the start.
  const advertised = { "advertised.listeners": `PLAINTEXT://127.0.0.1:${proxied}` };
  const settings = name === "kafka" ? advertised : {};
  const link = stack.use(await openProxy(port, proxied));
  const server = stack.use(await startServer(name, { dir, port, settings, startTimeoutMs }));
  return { server, link };
}

/** The server's URL at another port. */
function moved(server: NativeServer, port: number): string {
  return server.url.replace(`127.0.0.1:${server.port}`, `127.0.0.1:${port}`);
}

function inDatabase(url: string, name: string): string {
  const other = new URL(url);
  other.pathname = `/${name}`;
  return other.href;
}
