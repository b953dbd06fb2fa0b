import type { EndpointStatus } from "@weft/rpc";
import { isJsonObject } from "@weft/kit";
import type { CallsReport, TargetStatus } from "@weft/service";
import type { Colour, Paint } from "./terminal.ts";
import { table } from "./terminal.ts";

/** A process, and the services that it calls as it sees them. */
export interface Caller {
  /** `gateway`, or `user-2` where there are several. */
  readonly name: string;
  readonly targets: readonly TargetStatus[];
}

const askTimeoutMs = 1500;

/** How calls go, from and to a process. */
export type Calls = Pick<CallsReport, "targets" | "server">;

/** Asks a process; there is nothing where it does not say. */
export async function callsOf(admin: string): Promise<Calls> {
  if (admin === "") return { targets: [] };
  try {
    const signal = AbortSignal.timeout(askTimeoutMs);
    const report: unknown = await (await fetch(`http://${admin}/targets`, { signal })).json();
    if (!isJsonObject(report) || !Array.isArray(report["targets"])) return { targets: [] };
    // What `admin.ts` of the service host writes.
    const { targets, server } = report as unknown as CallsReport;
    return { targets, ...(server === undefined ? {} : { server }) };
  } catch {
    return { targets: [] };
  }
}

/** One instance as its callers see it together. */
interface Seen {
  readonly target: string;
  readonly instance: EndpointStatus;
  readonly by: { readonly caller: string; readonly endpoint: EndpointStatus }[];
}

/** A line for each instance of each target, over all callers; then what is out of the ordinary. */
export function summary(callers: readonly Caller[], paint: Paint): string[] {
  const seen = seenBy(callers);
  if (seen.length === 0) return [];
  const rows = seen.map(({ target, instance, by }) => {
    const all = by.map(({ endpoint }) => endpoint);
    return [
      target,
      instance.address,
      instance.version ?? "",
      instance.zone ?? "",
      stateOf(by),
      number(mean(all.map(({ weight }) => weight))),
      String(sum(all.map(({ inFlight }) => inFlight))),
      latency(Math.max(...all.map(({ latencyMs }) => latencyMs))),
      percent(Math.max(...all.map(({ failureShare }) => failureShare))),
    ];
  });
  const head = ["TARGET", "ADDRESS", "VERSION", "ZONE", "STATE", "WEIGHT", "CALLS", "LATENCY", "FAILED"];
  const colours = seen.map(({ by }) => colourOf(by.map(({ endpoint }) => endpoint.state)));
  return [...painted([head, ...rows], colours, paint), ...notes(callers).map((note) => paint("yellow", note))];
}

/** A line for each instance as each caller sees it, for each breaker, and for each setting that is not the default. */
export function details(callers: readonly Caller[], service: string | undefined, paint: Paint): string[] {
  const ways = callers.flatMap(({ name, targets }) =>
    targets
      .filter(({ target }) => service === undefined || target === service)
      .map((one) => ({ caller: name, ...one })),
  );
  const instances = ways.flatMap(({ caller, target, policy, endpoints }) =>
    endpoints.map((one) => ({ caller, target, policy, ...one })),
  );
  const rows = instances.map((one) => [
    one.caller,
    one.target,
    one.policy,
    one.address,
    one.version ?? "",
    one.zone ?? "",
    why(one),
    one.connection,
    number(one.weight),
    String(one.inFlight),
    latency(one.latencyMs),
    percent(one.failureShare),
    one.id,
  ]);
  const head = ["CALLER", "TARGET", "POLICY", "ADDRESS", "VERSION", "ZONE", "STATE", "CONNECTION", "WEIGHT", "CALLS"];
  const colours = instances.map(({ state }) => colourOf([state]));
  const out = painted([[...head, "LATENCY", "FAILED", "INSTANCE"], ...rows], colours, paint);

  const breakers = ways.flatMap(({ caller, target, breakers: all }) => all.map((one) => ({ caller, target, ...one })));
  if (breakers.length > 0) {
    const cells = breakers.map(({ caller, target, method, state }) => [caller, target, method, state]);
    const shown = breakers.map(({ state }): Colour => (state === "closed" ? "green" : "red"));
    out.push("", ...painted([["CALLER", "TARGET", "METHOD", "BREAKER"], ...cells], shown, paint));
  }

  const settings = ways.flatMap(({ caller, target, settings: said }) =>
    (isJsonObject(said) ? Object.entries(said) : []).map(([name, value]) => [
      caller,
      target,
      name,
      JSON.stringify(value),
    ]),
  );
  if (settings.length > 0) out.push("", ...painted([["CALLER", "TARGET", "SETTING", "VALUE"], ...settings], [], paint));
  return out;
}

/** What somebody who looks should not have to search for. */
function notes(callers: readonly Caller[]): string[] {
  return callers.flatMap(({ name, targets }) =>
    targets.flatMap(({ target, isPanic, stale, breakers }) => [
      ...breakers
        .filter(({ state }) => state !== "closed")
        .map(({ method, state }) => `${name}: the breaker of ${method} is ${state}`),
      ...(isPanic ? [`${name}: too few instances of ${target} are well, so all of them get calls`] : []),
      ...(stale ? [`${name}: the registry is away, and the list of ${target} an old one`] : []),
    ]),
  );
}

function seenBy(callers: readonly Caller[]): readonly Seen[] {
  const seen = new Map<string, Seen>();
  for (const { name, targets } of callers) {
    for (const { target, endpoints } of targets) {
      for (const endpoint of endpoints) {
        const key = `${target} ${endpoint.id}`;
        const before = seen.get(key) ?? { target, instance: endpoint, by: [] };
        seen.set(key, before);
        before.by.push({ caller: name, endpoint });
      }
    }
  }
  const order = ({ target, instance }: Seen): string => `${target} ${instance.address}`;
  return [...seen.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** `eligible`, or who sees it otherwise and why. */
function stateOf(by: Seen["by"]): string {
  const well = by.filter(({ endpoint }) => isWell(endpoint));
  const others = by.filter(({ endpoint }) => !isWell(endpoint));
  const [first] = others;
  if (first === undefined) return well.some(({ endpoint }) => endpoint.state === "eligible") ? "eligible" : "unused";
  const who = others.length === by.length && by.length > 1 ? "all" : others.map(({ caller }) => caller).join(", ");
  return `${why(first.endpoint)} (${who})`;
}

/** Whoever has not called it yet, or not for long, has no connection, and no complaint. */
function isWell({ state, connection }: EndpointStatus): boolean {
  return state === "eligible" || (state === "unavailable" && connection === "idle");
}

function why({ state, reason, readmittedInMs, connection }: EndpointStatus): string {
  const until = readmittedInMs === undefined ? "" : ` for ${Math.ceil(readmittedInMs / 1000)} s`;
  if (state === "unavailable" && connection !== "connected") return connection === "idle" ? "unused" : connection;
  return `${state}${until}${reason === undefined ? "" : `: ${reason}`}`;
}

function colourOf(states: readonly EndpointStatus["state"][]): Colour {
  if (states.includes("ejected") || states.includes("suspect")) return "red";
  return states.includes("eligible") ? "green" : "yellow";
}

/** A table without the columns in which nothing stands; the head dim, each line in its colour. */
export function painted(rows: readonly (readonly string[])[], colours: readonly Colour[], paint: Paint): string[] {
  const used = (_: string, column: number): boolean => rows.slice(1).some((row) => row[column] !== "");
  const [head = "", ...lines] = table(rows.map((row) => row.filter(used)));
  return [paint("dim", head), ...lines.map((line, index) => paint(colours[index] ?? "dim", line))];
}

function latency(ms: number): string {
  if (ms < 0.05) return "";
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / Math.max(1, values.length);
}
