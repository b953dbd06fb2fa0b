import { attributes, metricNames, prometheusName } from "@weft/telemetry";
import type { Replica } from "./replica.ts";

const readTimeoutMs = 5000;
const serverCalls = `${prometheusName(metricNames.rpcServerDuration)}_count`;
const decisions = prometheusName(metricNames.decisions, true);
const [serviceLabel, codeLabel, decisionLabel] = [attributes.rpcService, attributes.rpcCode, attributes.decision].map(
  (name) => name.replaceAll(".", "_"),
);

/** A line of Prometheus' text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** How many calls of the mesh's own services a replica has served since it started; all, or those that ended in a code. */
export async function servedBy(replica: Replica, code?: string): Promise<number> {
  const samples = parseSamples(await metricsOf(replica));
  return samples
    .filter(({ name, labels }) => name === serverCalls && labels[serviceLabel ?? ""]?.startsWith("weft."))
    .filter(({ labels }) => code === undefined || labels[codeLabel ?? ""] === code)
    .reduce((total, { value }) => total + value, 0);
}

/** What each of some instances has decided about its calls: `retried`, `hedged`, `ejected` …, and how often. */
export type Decisions = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** By instance, since its start; undefined when one does not count that. */
export async function decisionsOf(replicas: readonly Replica[]): Promise<Decisions | undefined> {
  const all = new Map<string, ReadonlyMap<string, number>>();
  for (const replica of replicas) {
    const text = await metricsOf(replica);
    if (!text.includes(`# TYPE ${decisions} `)) return undefined;
    const counts = new Map<string, number>();
    for (const { name, labels, value } of parseSamples(text)) {
      const kind = labels[decisionLabel ?? ""];
      if (name === decisions && kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + value);
    }
    all.set(replica.ready.instance, counts);
  }
  return all;
}

/** Prometheus' text format, version 0.0.4, as far as we write it. */
export function parseSamples(text: string): readonly Sample[] {
  return text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = /^([a-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, inner]) => [key, inner] as const);
    return [{ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) }];
  });
}

async function metricsOf(replica: Replica): Promise<string> {
  const response = await fetch(`http://${replica.ready.admin}/metrics`, { signal: AbortSignal.timeout(readTimeoutMs) });
  return response.text();
}
