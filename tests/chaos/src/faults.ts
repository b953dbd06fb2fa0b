import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Mesh } from "@weft/system-tests";
import { describeFault, type Fault, relay, type Target } from "./plan.ts";
import type { World } from "./world.ts";

/** What is wrong at the moment, and what ends it. */
interface Open {
  /** Mended now instead of later. */
  readonly hurry: () => void;
  readonly mended: Promise<void>;
}

/** A server that does not come back at the first try: its port is taken for a moment, or the machine is slow. */
const startTries = 3;

/** Breaks things, and mends them. Disposing mends what keeps others from ending. */
export class Faults implements AsyncDisposable {
  readonly #world: Pick<World, "mesh" | "servers" | "ledgers">;
  /** By what they are about: nothing is broken in two ways at once. */
  readonly #open = new Map<string, Open>();
  #kills = 0;
  #isEnding = false;

  constructor(world: Pick<World, "mesh" | "servers" | "ledgers">) {
    this.#world = world;
  }

  /** Processes that were ended with SIGKILL. */
  get kills(): number {
    return this.#kills;
  }

  /** Carries it out, and answers what was done, in words. What lasts is mended later, when its time is over. */
  async inflict(fault: Fault): Promise<string> {
    const what = describeFault(fault);
    switch (fault.kind) {
      case "kill":
        return this.#killProcess(what, await this.#pid(fault.target));
      case "freeze":
      case "ambush": {
        const pid = await this.#pid(fault.target);
        if (pid === undefined || !signalled(pid, "SIGSTOP")) return `${what}: it is down`;
        return this.#until(fault.forMs, `process ${pid}`, what, async () => {
          signalled(pid, "SIGCONT");
          if (fault.kind === "freeze") return;
          await sleep(fault.killAfterMs);
          this.#killProcess(what, pid);
        });
      }
      case "kill-server": {
        const { server } = this.#linked(fault.server);
        // What is being started again is left alone.
        if (this.#open.has(`server ${server.name}`)) return `${what}: it is down`;
        this.#kills += 1;
        const killed = server.kill();
        return this.#until(fault.forMs, `server ${server.name}`, what, async () => {
          await killed;
          if (this.#isEnding) return;
          for (let tries = 1; ; tries += 1) {
            try {
              return await server.start();
            } catch (error) {
              if (tries === startTries) throw error;
            }
          }
        });
      }
      case "link":
      case "slow":
      case "reset": {
        const { link } = this.#linked(fault.server);
        const key = `link ${fault.server}`;
        if (this.#open.has(key)) return `${what}: it is broken`;
        if (fault.kind === "reset") {
          await link.reset();
          return what;
        }
        await (fault.kind === "slow" ? link.slow(fault.latencyMs) : link[fault.how]());
        return this.#until(fault.forMs, key, what, () => link.restore());
      }
    }
  }

  /** Mends everything that is wrong. Rejects when something can't be. */
  async mendAll(): Promise<void> {
    const all = [...this.#open.values()];
    for (const { hurry } of all) hurry();
    await Promise.all(all.map(({ mended }) => mended));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    await this.mendAll();
  }

  #until(forMs: number, key: string, what: string, mend: () => Promise<void>): string {
    const hurry = new AbortController();
    const mended = sleep(forMs, undefined, { signal: hurry.signal })
      .catch(() => undefined)
      .then(mend)
      .finally(() => this.#open.delete(key));
    // Whoever mends all hears of it.
    mended.catch(() => undefined);
    this.#open.set(key, { hurry: () => hurry.abort(), mended });
    return what;
  }

  #killProcess(what: string, pid: number | undefined): string {
    if (pid === undefined || !signalled(pid, "SIGKILL")) return `${what}: it is down`;
    this.#kills += 1;
    return what;
  }

  /** Undefined while it is down. */
  async #pid(target: Target | typeof relay): Promise<number | undefined> {
    if (target === relay) return relayLeader(this.#world.mesh);
    const { service, number } = target;
    if (service === "ledger") return this.#world.ledgers.pid(number);
    const replicas = (await this.#world.mesh.status()).filter((process) => process.service === service);
    // 0: there is no process.
    return replicas[number - 1]?.pid || undefined;
  }

  #linked(name: Parameters<World["servers"]["get"]>[0]) {
    const linked = this.#world.servers.get(name);
    if (linked === undefined) throw new Error(`there is no ${name}`);
    return linked;
  }
}

function signalled(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** The process that said last that it leads the relay; undefined while there is none. */
async function relayLeader(mesh: Mesh): Promise<number | undefined> {
  const folder = join(mesh.dataDir, "logs");
  const names = (await readdir(folder)).filter((name) => name.startsWith("user-"));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  const turns = texts
    .flatMap((text) => text.split("\n"))
    .filter((line) => line.includes('"leading"') && line.includes("outbox"))
    .map((line) => JSON.parse(line) as { readonly time: string; readonly instance: string })
    .toSorted((a, b) => a.time.localeCompare(b.time));
  const leader = turns.at(-1)?.instance;
  return (await mesh.status()).find(({ instance }) => instance === leader)?.pid || undefined;
}
