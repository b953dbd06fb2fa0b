import { execFileSync, spawnSync } from "node:child_process";
import { chown, copyFile, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Secret } from "@weft/kit";
import { openPostgres } from "./postgres.ts";
import { runStatement, startTestPostgres, type TestPostgres } from "./testing.ts";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

/** Two authorities; the first vouches for a server called `localhost`, and not for its address. */
function makeCertificates(folder: string): void {
  const openssl = (...args: readonly string[]): void =>
    void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  for (const name of ["ca", "other"]) {
    openssl(
      "req",
      "-x509",
      ...key,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.pem`,
      "-days",
      "2",
      "-subj",
      `/CN=${name}`,
    );
  }
  openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
  const signed = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
  openssl(...signed, "-days", "2", "-extfile", "names.ext", "-out", "server.pem");
}

describe.runIf(hasOpenssl)("a server that speaks TLS alone", { timeout: 60_000 }, () => {
  let folder: string;
  let postgres: TestPostgres;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "weft-tls-"));
    await writeFile(join(folder, "names.ext"), "subjectAltName=DNS:localhost");
    makeCertificates(folder);
    postgres = await startTestPostgres();
    await speakTlsAlone(postgres);
  }, 60_000);
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  async function speakTlsAlone({ url, dataDir }: TestPostgres): Promise<void> {
    const data = join(dataDir, "postgres", "data");
    const { uid, gid } = await stat(data);
    for (const name of ["server.key", "server.pem"]) {
      await copyFile(join(folder, name), join(data, name));
      await chown(join(data, name), uid, gid);
    }
    await writeFile(join(data, "pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n");
    await runStatement(url, "alter system set ssl_cert_file = 'server.pem'");
    await runStatement(url, "alter system set ssl_key_file = 'server.key'");
    await runStatement(url, "alter system set ssl = on");
    await runStatement(url, "select pg_reload_conf()");
  }

  /** Whether the connection of a query is encrypted. */
  async function connect(host: string, query: string): Promise<unknown> {
    const url = new URL(postgres.url.reveal());
    url.hostname = host;
    url.search = query.replace("CA", join(folder, "ca.pem")).replace("OTHER", join(folder, "other.pem"));
    await using database = await openPostgres<unknown>({ url: new Secret(url.href) });
    const { rows } = await sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`.execute(database.kysely);
    return rows[0];
  }

  test.each([
    ["localhost", "sslmode=verify-full&sslrootcert=CA"],
    ["127.0.0.1", "sslmode=verify-ca&sslrootcert=CA"],
    ["127.0.0.1", "sslmode=require&sslrootcert=CA"],
    ["127.0.0.1", "sslmode=require"],
  ])("lets in %s with %s", async (host, query) => {
    expect(await connect(host, query)).toEqual({ ssl: true });
  });

  test.each([
    ["localhost", "sslmode=verify-full&sslrootcert=OTHER", "not trusted: UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["localhost", "sslmode=verify-full", "not trusted: UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["localhost", "sslmode=require&sslrootcert=OTHER", "not trusted: UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["127.0.0.1", "sslmode=verify-full&sslrootcert=CA", "not trusted: ERR_TLS_CERT_ALTNAME_INVALID"],
    ["127.0.0.1", "sslmode=disable", "refuses this user from here, or without TLS (sslmode)"],
    ["127.0.0.1", "", "refuses this user from here, or without TLS (sslmode)"],
  ])("refuses %s with %s: %s", async (host, query, message) => {
    await expect(connect(host, query)).rejects.toMatchObject({
      reason: "INVALID_CONFIGURATION",
      message: expect.stringContaining(message),
    });
  });
});

test("a server that speaks no TLS says so to who asks for it", { timeout: 60_000 }, async () => {
  await using postgres = await startTestPostgres();
  const url = new Secret(postgres.url.reveal().replace("sslmode=disable", "sslmode=require"));
  await expect(openPostgres({ url })).rejects.toMatchObject({
    reason: "INVALID_CONFIGURATION",
    message: "the database speaks no TLS, which sslmode asks for",
  });
});
