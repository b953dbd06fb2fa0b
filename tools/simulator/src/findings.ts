import { balancingPolicies } from "@weft/resilience";

/** Columns of the tables that findings go by, in their order there. */
const columns = ["p50", "p99", "p999", "failed", "retries", "busiest", "evenness", "recovers", "settles"] as const;
type Column = (typeof columns)[number];

/** Looks up each column by scenario and policy; the policy is `p2c-ewma` by default. */
type Look<T> = Readonly<Record<Column, (scenario: string, policy?: string) => T>>;

/** What the simulation says about the defaults: a sentence or more, with what it cites from the tables. */
export interface Finding {
  readonly text: (cell: Look<string>) => string;
  /** Whether the tables bear out what the words say. Times in milliseconds, `recovers` and `settles` in seconds, shares in percent. */
  readonly holds: (value: Look<number>) => boolean;
}

/** All of them, in the order of the page. */
export const findings: readonly Finding[] = [
  {
    text: ({ p99, failed, busiest }) =>
      `**\`p2c-ewma\` is the default.** With one of twelve ten times slower (\`slow\`) its p99 is ${p99("slow")} ms, and ${p99("steady")} when all are well. Round robin has ${p99("slow", "round-robin")} ms and fails ${failed("slow", "round-robin")} of the calls; least request, which looks at calls in flight alone, has ${p99("slow", "least-request")}. With one of three (\`slow-3\`) they have ${p99("slow-3")}, ${p99("slow-3", "round-robin")} and ${p99("slow-3", "least-request")} ms. When all are well it costs next to nothing: ${p99("steady")} ms against ${p99("steady", "least-request")}, and the busiest instance has ${busiest("steady")} times the mean.`,
    holds: ({ p99, failed, busiest }) =>
      p99("slow") < 1.5 * p99("steady") &&
      p99("slow-3") < 2 * p99("steady-3") &&
      failed("slow", "round-robin") > 0 &&
      ["round-robin", "least-request"].every((other) => p99("slow", other) > 5 * p99("slow")) &&
      p99("steady") < 1.1 * p99("steady", "least-request") &&
      busiest("steady") < 1.1,
  },
  {
    text: ({ p99 }) =>
      `**Latencies within a factor of 1.5 count as the same.** A tolerance of 3 takes an instance that is three times slower (\`slower-3\`) for one like the others: p99 ${p99("slower-3", "p2c-ewma, tolerance of 3")} ms in place of ${p99("slower-3")}. A tolerance of 5 hides one that is ten times slower too: ${p99("slow-3", "p2c-ewma, tolerance of 5")} ms in place of ${p99("slow-3")}.`,
    holds: ({ p99 }) =>
      p99("slower-3", "p2c-ewma, tolerance of 3") > 1.1 * p99("slower-3") &&
      p99("slow-3", "p2c-ewma, tolerance of 5") > 1.5 * p99("slow-3"),
  },
  {
    text: ({ p99, busiest }) =>
      `**A latency is forgotten within seconds.** To remember it for 10 s in place of 5 changes little beside a lastingly slow instance (\`slow-3\`: p99 ${p99("slow-3", "p2c-ewma, decay over 10 s")} ms in place of ${p99("slow-3")}), and leaves out for longer one that only paused: with short stalls (\`stalls-3\`) the busiest has ${busiest("stalls-3", "p2c-ewma, decay over 10 s")} times the mean in place of ${busiest("stalls-3")}.`,
    holds: ({ p99, busiest }) =>
      p99("slow-3", "p2c-ewma, decay over 10 s") > 0.75 * p99("slow-3") &&
      busiest("stalls-3", "p2c-ewma, decay over 10 s") > busiest("stalls-3"),
  },
  {
    text: ({ p99, retries }) =>
      `**Ejection works with three instances and ends what retries alone can't.** Without it ${retries("failing-3", "p2c-ewma, no ejection")} of the calls of \`failing-3\` are tried again for as long as it fails, and p99 is ${p99("failing-3", "p2c-ewma, no ejection")} ms; with it, ${retries("failing-3")} and ${p99("failing-3")} ms. Three failures in a row in place of five, or ten, change next to nothing (${retries("failing-3", "p2c-ewma, ejection after 3")}, ${retries("failing-3", "p2c-ewma, ejection after 10")}): comparison with the others is what finds it.`,
    holds: ({ p99, retries }) =>
      retries("failing-3", "p2c-ewma, no ejection") > 10 * retries("failing-3") &&
      p99("failing-3", "p2c-ewma, no ejection") > 1.5 * p99("failing-3") &&
      [3, 10].every(
        (count) => Math.abs(retries("failing-3", `p2c-ewma, ejection after ${count}`) - retries("failing-3")) < 0.2,
      ),
  },
  {
    text: ({ busiest, retries }) =>
      `**How long an ejection lasts is what costs most afterwards.** With the 30 s that are usual elsewhere, one of three instances that failed for half a second (\`hiccup-3\`) is away for that long, with a third of what the service can do: over 40 s the busiest has ${busiest("hiccup-3", "p2c-ewma, ejection for 30 s")} times the mean, ${busiest("hiccup-3")} with a base of 10 s. An instance that fails on is found again at the price of a few retries (${retries("failing-3")} of calls in \`failing-3\`).`,
    holds: ({ busiest, retries }) =>
      busiest("hiccup-3", "p2c-ewma, ejection for 30 s") > 1.1 * busiest("hiccup-3") && retries("failing-3") < 1,
  },
  {
    text: ({ p99, failed }) =>
      `**Warm-up keeps calls from failing, and its length has to fit.** When a cold instance joins (\`cold\`: ten times slower, and warmer with each of its first few hundred requests), a weighted round robin without it fails ${failed("cold", "weighted, no warm-up")} of the calls, as round robin does (${failed("cold", "round-robin")}), until so many are late that the newcomer is ejected; their p99 of ${p99("cold", "weighted, no warm-up")} and ${p99("cold", "round-robin")} ms is of those that were answered elsewhere. With the default of 10 s none fails, but the share of the newcomer grows faster than it warms, and calls queue there: ${p99("cold", "weighted-round-robin")} ms. Over 30 s it is ${p99("cold", "weighted, warm-up over 30 s")}. \`p2c-ewma\` notices by itself: ${p99("cold")} ms with warm-up, ${p99("cold", "p2c-ewma, no warm-up")} without.`,
    holds: ({ p99, failed }) =>
      failed("cold", "weighted, no warm-up") > 0.5 &&
      failed("cold", "round-robin") > 0.5 &&
      failed("cold", "weighted-round-robin") === 0 &&
      failed("cold", "weighted, warm-up over 30 s") === 0 &&
      p99("cold", "weighted-round-robin") > 2 * p99("cold", "round-robin") &&
      p99("cold", "weighted, warm-up over 30 s") < 100 &&
      p99("cold") < 45 &&
      p99("cold", "p2c-ewma, no warm-up") < 45,
  },
  {
    text: ({ p99, busiest }) =>
      `**Who says what an instance can do is believed.** A third of the instances has one worker, a third two, a third four. With weights that say so (\`weights\`) random choice has a p99 of ${p99("weights", "random")} ms in place of ${p99("unequal", "random")}, weighted round robin ${p99("weights", "weighted-round-robin")} in place of ${p99("unequal", "weighted-round-robin")}, \`p2c-ewma\` ${p99("weights")} in place of ${p99("unequal")}; the busiest has ${busiest("weights", "weighted-round-robin")} times the mean for its weight with weighted round robin, and ${busiest("weights")} with \`p2c-ewma\`.`,
    holds: ({ p99, busiest }) =>
      ["random", "weighted-round-robin"].every((policy) => p99("weights", policy) < 0.5 * p99("unequal", policy)) &&
      p99("weights") < p99("unequal") &&
      busiest("weights", "weighted-round-robin") < 1.05 &&
      busiest("weights") < 1.3,
  },
  {
    text: ({ p99, failed, retries }) =>
      `**A canary that fails costs retries and no calls.** With 10 % of calls for a version of two instances, one of which fails half of its own (\`canary\`), ${retries("canary")} of calls are tried again and none fails; without a mesh ${failed("canary", "plain")} do. p99 is ${p99("canary")} ms.`,
    holds: ({ p99, failed, retries }) =>
      failed("canary") === 0 && retries("canary") < 2 && failed("canary", "plain") > 1 && p99("canary") < 50,
  },
  {
    text: ({ p99, busiest }) =>
      `**Bounded load is what makes hashing bearable.** With hot keys (\`hot-keys\`) the busiest instance has ${busiest("hot-keys", "consistent-hash")} times the mean and p99 is ${p99("hot-keys", "consistent-hash")} ms; \`sticky\` has ${busiest("hot-keys", "sticky")} times and ${p99("hot-keys", "sticky")} ms.`,
    holds: ({ p99, busiest }) =>
      p99("hot-keys", "consistent-hash") < 1.2 * p99("hot-keys") &&
      p99("hot-keys", "sticky") > 1.5 * p99("hot-keys", "consistent-hash") &&
      busiest("hot-keys", "sticky") > 1.1 * busiest("hot-keys", "consistent-hash"),
  },
  {
    text: ({ p999, busiest }) =>
      `**Subsets are uneven where callers are few, as they are drawn by chance.** Of 200 instances with 100 callers (\`large\`) the busiest has ${busiest("large", "p2c-ewma, subsets of 20")} times the mean with subsets of 20, ${busiest("large", "p2c-ewma, subsets of 50")} with 50, ${busiest("large")} with 100. With 2,000 callers (\`crowd\`) chance evens out: ${busiest("crowd", "p2c-ewma, subsets of 20")} with 20, ${busiest("crowd")} with 100, at a fifth of the connections. Who knows fewer instances knows them better: p99.9 of \`large\` is ${p999("large", "p2c-ewma, subsets of 20")}, ${p999("large", "p2c-ewma, subsets of 50")} and ${p999("large")} ms. A service with fewer instances than the subset is not touched by it.`,
    holds: ({ p999, busiest }) =>
      busiest("large", "p2c-ewma, subsets of 20") > busiest("large", "p2c-ewma, subsets of 50") &&
      busiest("large", "p2c-ewma, subsets of 50") > busiest("large") &&
      busiest("crowd", "p2c-ewma, subsets of 20") < 1.1 * busiest("crowd") &&
      p999("large", "p2c-ewma, subsets of 20") < p999("large", "p2c-ewma, subsets of 50") &&
      p999("large", "p2c-ewma, subsets of 50") < p999("large"),
  },
  {
    text: ({ p999, failed }) =>
      `**Each caller learns for itself.** Where a caller has a call for an instance every two seconds (\`large\`), the first one to a slow instance is on the way before anything is known of it: p99.9 is ${p999("large")} ms, and above ${leastOf("large", p999)} with every policy. Where it has one in half a minute (\`crowd\`), nobody ever finds out, and ${failed("crowd")} of the calls are too late. Hedging needs no memory: with it p99.9 of \`large\` is ${p999("large", "p2c-ewma, hedged")} ms.`,
    holds: ({ p999, failed }) =>
      p999("large") > 500 && failed("crowd") > 0.05 && failed("crowd") < 1 && p999("large", "p2c-ewma, hedged") < 300,
  },
  {
    text: ({ p50, p999, failed, busiest }) =>
      `**Zones pay as long as all are well**: p50 is ${p50("zones")} ms in place of the ${p50("zones", "plain")} of a client without a mesh, and in \`unequal-zones\`, where calls spill over, ${p50("unequal-zones")} with ${busiest("unequal-zones")} times the mean for the busiest. When one is cut off (\`zone-outage\`) nothing says so, and what is on the way there waits: p99.9 is ${p999("zone-outage")} ms and ${failed("zone-outage")} of the calls fail, where a client without a mesh fails ${failed("zone-outage", "plain")}.`,
    holds: ({ p50, p999, failed, busiest }) =>
      p50("zones") < 0.95 * p50("zones", "plain") &&
      p50("unequal-zones") < 0.95 * p50("unequal-zones", "plain") &&
      busiest("unequal-zones") < 1.1 &&
      p999("zone-outage") > 500 &&
      failed("zone-outage") < 0.05 &&
      failed("zone-outage", "plain") > 5,
  },
  {
    text: ({ p99, retries, busiest }) =>
      `**Choosing does not mend short stalls, and can make them worse.** Whose call is at an instance that stops for 150 ms waits, whatever the policy (\`stalls-3\`: p99 ${p99("stalls-3")} ms, ${p99("stalls-3", "least-request")} with least request); hedging takes it to ${p99("stalls-3", "p2c-ewma, hedged")} for ${retries("stalls-3", "p2c-ewma, hedged")} more calls. But to remember each slow answer sends everything to the others for that long. So one slow answer is forgotten ten times as fast as one that is followed by others when the instance is tried again: the busiest of three has ${busiest("stalls-3")} times the mean, ${busiest("stalls-3", "least-request")} with least request.`,
    holds: ({ p99, retries, busiest }) =>
      p99("stalls-3") > 50 &&
      p99("stalls-3", "least-request") > 50 &&
      p99("stalls-3", "p2c-ewma, hedged") < 30 &&
      retries("stalls-3", "p2c-ewma, hedged") < 6 &&
      busiest("stalls-3") < 1.3,
  },
  {
    text: ({ p99, p999, retries }) =>
      `**Hedging takes the tail off** (p99.9 of \`steady\` ${p999("steady", "p2c-ewma, hedged")} ms in place of ${p999("steady")}) for ${retries("steady", "p2c-ewma, hedged")} more calls. At the 99th percentile in place of the 95th it hides a slow instance from the balancer: p99 of \`slow\` is ${p99("slow", "p2c-ewma, hedged late")} ms in place of ${p99("slow", "p2c-ewma, hedged")}, and ${p99("slow")} without hedging.`,
    holds: ({ p99, p999, retries }) =>
      p999("steady", "p2c-ewma, hedged") < 0.95 * p999("steady") &&
      retries("steady", "p2c-ewma, hedged") < 5.5 &&
      p99("slow", "p2c-ewma, hedged late") > 1.1 * p99("slow", "p2c-ewma, hedged"),
  },
  {
    text: ({ p50, failed, settles }) =>
      `**Under five times what it can do, a service with limiters answers as many calls as ever** (four in five have to fail, and ${failed("overload")} do), half of them within ${p50("overload")} ms, and is itself again after ${settles("overload")}; without them (${p50("overload", "p2c-ewma, no limiter")} ms) it answers too late whatever it answers. The wait is the price of a default that lets 40 calls wait whatever they cost, so that a machine that stalls refuses nobody; an instance here does 200 a second. One that serves slow calls may want a lower \`minLimit\`. A process of ours is bounded by the turns of its event loop as well, which is not simulated.`,
    holds: ({ p50, failed, settles }) =>
      failed("overload") < 81 &&
      p50("overload") < 600 &&
      settles("overload") <= 1 &&
      p50("overload", "p2c-ewma, no limiter") > 1_500,
  },
];

/** A row of a table that a finding cites. */
export interface Citation {
  readonly scenario: string;
  readonly policy: string;
}

/** Rows of the tables as the page has them, by scenario. */
export type RowsOf = (scenario: string) => readonly string[];

/** The findings as the page has them. `onCited`: told of every row that one goes by. */
export function findingsText(rowsOf: RowsOf, onCited?: (citation: Citation) => void): string {
  const cell = looking(rowsOf, (text) => text, onCited);
  return [
    "What the defaults are, and why. Every figure is one of the tables below.",
    "",
    ...findings.map(({ text }) => `- ${text(cell)}`),
  ].join("\n");
}

/** The findings that the tables do not bear out, by how they begin. */
export function refuted(rowsOf: RowsOf): readonly string[] {
  const [cell, value] = [looking(rowsOf, (text) => text), looking(rowsOf, numberOf)];
  return findings.filter(({ holds }) => !holds(value)).map(({ text }) => text(cell));
}

/** The least that any policy without hedging has, as text. */
function leastOf(scenario: string, look: (scenario: string, policy?: string) => string): string {
  return String(
    Math.floor(Math.min(...balancingPolicies.map((policy) => numberOf(look(scenario, policy)))) / 100) * 100,
  );
}

function looking<T>(rowsOf: RowsOf, read: (cell: string) => T, onCited?: (citation: Citation) => void): Look<T> {
  const looks = columns.map((column, index) => {
    const look = (scenario: string, policy = "p2c-ewma"): T => {
      const cells = rowsOf(scenario).map((row) => row.split("|").map((cell) => cell.trim()));
      const cell = cells.find(([, name]) => name === policy)?.[index + 2];
      if (cell === undefined) throw new RangeError(`there is no ${policy} in ${scenario}`);
      onCited?.({ scenario, policy });
      return read(cell);
    };
    return [column, look] as const;
  });
  return Object.fromEntries(looks) as Look<T>;
}

/** `< 0.01 %` is 0.01; `never` is more than any. */
function numberOf(cell: string): number {
  return cell === "never" ? Number.POSITIVE_INFINITY : Number.parseFloat(cell.replace("<", ""));
}
