import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Blocks, openDiscovery } from "@weft/blocks";
import { isWeftError, type WeftError } from "@weft/kit";
import { type CallOptions, openTransport, type Transport } from "@weft/rpc";
import { blockUrlsOf, type CommonConfig } from "@weft/service/config";
import type { AccessFlags } from "./cli.ts";
import { readMeshFile } from "./mesh-file.ts";
import type { Terminal } from "./terminal.ts";
import { readLookConfig } from "./up/config.ts";

/** The way to a process of a mesh, and what goes with each call. */
export interface Access {
  readonly transport: Transport;
  readonly options: Pick<CallOptions, "authorization" | "timeoutMs">;
}

/** Opens the way to `target`; it goes with `stack`. Without `--token`, calls to this machine are the administrator's. */
export async function openAccess(
  target: string,
  flags: AccessFlags,
  terminal: Terminal,
  stack: AsyncDisposableStack,
): Promise<Access> {
  const config = readLookConfig(flags, terminal);
  const transport = stack.use(await transportTo(target, flags.address, config, stack));
  const token = flags.token ?? (isHere(flags.address) ? adminToken(config.dataDir) : undefined);
  const options = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }),
  };
  return { transport, options };
}

/** Runs what calls a mesh. An error is its message and reason on standard error, as JSON with `--json`, and 1. */
export async function reportErrors(flags: AccessFlags, terminal: Terminal, run: () => Promise<void>): Promise<number> {
  try {
    await run();
    return 0;
  } catch (error) {
    if (!isWeftError(error)) throw error;
    const { code, reason, message, violations } = error;
    if (flags.json === true) {
      terminal.stderr.write(`${JSON.stringify({ code, reason, message, violations })}\n`);
    } else {
      const fields = violations.map(({ field, description }) => `\n  ${field}: ${description}`);
      const hint = hintFor(error, flags, terminal);
      terminal.stderr.write(`weft: ${message} (${reason})${fields.join("")}${hint === "" ? "" : `\n${hint}`}\n`);
    }
    return 1;
  }
}

/** What to do about it, where that can be told. */
function hintFor(error: WeftError, flags: AccessFlags, terminal: Terminal): string {
  if (error.reason === "UNAUTHENTICATED" && flags.token === undefined) return "give a token with --token";
  if (error.reason !== "UNAVAILABLE" || flags.address !== undefined) return "";
  const { dataDir, discovery } = readLookConfig(flags, terminal);
  const runs = readMeshFile(dataDir) !== undefined || discovery.reveal() !== "embedded:";
  return runs ? "" : `no mesh runs on ${dataDir}; weft up starts one`;
}

async function transportTo(
  target: string,
  address: string | undefined,
  config: CommonConfig,
  stack: AsyncDisposableStack,
): Promise<Transport> {
  if (address !== undefined) return openTransport({ address });
  const blocks = new Blocks({ dataDir: config.dataDir, urls: blockUrlsOf(config), stack });
  return openTransport({ target, discovery: await openDiscovery(blocks) });
}

/** Whether an address is on this machine: the administrator's token goes nowhere else unless it is given. */
function isHere(address: string | undefined): boolean {
  return address === undefined || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/.test(address);
}

/** What the embedded profile writes for its administrator; without it the call is anonymous. */
function adminToken(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, "admin-token"), "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}
