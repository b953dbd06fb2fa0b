import type { ServerName } from "@weft/native";
import { Random } from "./random.ts";

/** A process of the harness or the mesh: which of the replicas of what, from 1. */
export interface Target {
  readonly service: string;
  readonly number: number;
}

/** The process that relays the outbox, whichever it is. */
export const relay = "relay";

/** Something that goes wrong. Times are milliseconds; what has a `forMs` is mended after that. */
export type Fault =
  /** `kill -9`; whoever supervises it starts it again. */
  | { readonly kind: "kill"; readonly target: Target | typeof relay }
  /** SIGSTOP, then SIGCONT. */
  | { readonly kind: "freeze"; readonly target: Target; readonly forMs: number }
  /** Frozen, so that work waits for it, and killed when it has hardly begun with that. */
  | {
      readonly kind: "ambush";
      readonly target: Target | typeof relay;
      readonly forMs: number;
      readonly killAfterMs: number;
    }
  /** `kill -9` of a server, which is started again with the same data. */
  | { readonly kind: "kill-server"; readonly server: ServerName; readonly forMs: number }
  /** What is done to the way from all processes to a server. */
  | { readonly kind: "link"; readonly server: ServerName; readonly how: "cut" | "stall"; readonly forMs: number }
  | { readonly kind: "slow"; readonly server: ServerName; readonly latencyMs: number; readonly forMs: number }
  | { readonly kind: "reset"; readonly server: ServerName };

/** A fault and when it comes, in milliseconds from the begin of its round. */
export type PlannedFault = Fault & { readonly atMs: number };

export interface PlannedRound {
  readonly faults: readonly PlannedFault[];
  /** Whether what is still wrong at the end is mended then, or in the course of the next round. */
  readonly mendsAll: boolean;
}

/** What there is to break. */
export interface Surroundings {
  readonly seed: number;
  /** How many there are of each service of the mesh. */
  readonly replicas: Readonly<Record<string, number>>;
  /** How many ledgers there are: see `ledger.ts`. */
  readonly ledgers: number;
  readonly servers: readonly ServerName[];
  readonly roundMs: number;
}

const mostFaults = 2;

/** The faults of a round, from 1. The same seed and number give the same faults. */
export function planRound(number: number, surroundings: Surroundings): PlannedRound {
  const random = new Random(surroundings.seed, number);
  const count = random.between(1, mostFaults);
  const faults = new Map<string, PlannedFault>();
  while (faults.size < count) {
    const next = fault(random, surroundings);
    const atMs = random.between(0, surroundings.roundMs / 2);
    // What is broken already would not notice.
    if (!faults.has(placeOf(next))) faults.set(placeOf(next), { ...next, atMs });
  }
  return { faults: [...faults.values()], mendsAll: random.chance(0.5) };
}

/** What a fault is about. */
function placeOf(fault: Fault): string {
  return "target" in fault ? nameOf(fault.target) : fault.server;
}

function fault(random: Random, { replicas, ledgers, servers, roundMs }: Surroundings): Fault {
  const services = Object.entries(replicas).flatMap(([service, count]) => targets(service, count));
  const kind = random.weighted([
    [22, "kill"],
    [10, "kill-relay"],
    [6, "kill-ledger"],
    [12, "freeze"],
    [18, "ambush"],
    [14, "kill-server"],
    [18, "link"],
  ] as const);
  switch (kind) {
    case "kill":
      return { kind, target: random.pick(services) };
    case "kill-relay":
      return { kind: "kill", target: relay };
    case "kill-ledger":
      return { kind: "kill", target: random.pick(targets("ledger", ledgers)) };
    case "freeze": {
      // Long enough now and then that leases and sessions run out, and the process wakes up as a former holder.
      const forMs = random.chance(0.3) ? random.between(5000, 9000) : random.between(300, 3000);
      return { kind, target: random.pick([...services, ...targets("ledger", ledgers)]), forMs };
    }
    case "ambush": {
      // Those who take in events, or send them.
      const takers = services.filter(({ service }) => ["indexer", "notification"].includes(service));
      const target = random.chance(0.5) ? relay : random.pick([...takers, ...targets("ledger", ledgers)]);
      return { kind, target, forMs: random.between(500, 3000), killAfterMs: random.between(0, 60) };
    }
    case "kill-server":
      return { kind, server: random.pick(servers), forMs: random.between(500, 5000) };
    case "link":
      return linkFault(random, random.pick(servers), roundMs);
  }
}

function linkFault(random: Random, server: ServerName, roundMs: number): Fault {
  const how = random.weighted([
    [30, "cut"],
    [25, "stall"],
    [25, "slow"],
    [20, "reset"],
  ] as const);
  const forMs = random.between(300, roundMs);
  switch (how) {
    case "reset":
      return { kind: how, server };
    case "slow":
      return { kind: how, server, latencyMs: random.between(20, 400), forMs };
    case "cut":
    case "stall":
      return { kind: "link", how, server, forMs };
  }
}

function targets(service: string, count: number): readonly Target[] {
  return Array.from({ length: count }, (_, index) => ({ service, number: index + 1 }));
}

/** A fault in words: `kill -9 user-2`. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case "kill":
      return `kill -9 ${nameOf(fault.target)}`;
    case "freeze":
      return `freeze ${nameOf(fault.target)} for ${seconds(fault.forMs)}`;
    case "ambush":
      return `freeze ${nameOf(fault.target)} for ${seconds(fault.forMs)}, kill -9 ${fault.killAfterMs} ms later`;
    case "kill-server":
      return `kill -9 ${fault.server}, back after ${seconds(fault.forMs)}`;
    case "link":
      return `${fault.how} ${fault.server} for ${seconds(fault.forMs)}`;
    case "slow":
      return `slow ${fault.server} by ${fault.latencyMs} ms each way for ${seconds(fault.forMs)}`;
    case "reset":
      return `reset ${fault.server}`;
  }
}

/** `user-2`. */
export function nameOf(target: Target | typeof relay): string {
  return target === relay ? "the relay's leader" : `${target.service}-${target.number}`;
}

/** `1.3 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
