import { paintFor, table, type Terminal } from "../terminal.ts";
import type { AccessFlags } from "../cli.ts";
import { withEvents } from "./client.ts";

/** Prints how far groups are behind on their topics, a line for each of both. */
export function lagCommand(group: string | undefined, flags: AccessFlags, terminal: Terminal): Promise<number> {
  return withEvents(flags, terminal, async ({ events, options }) => {
    const { groups } = await events.getLag({ group: group ?? "" }, options);
    const rows = groups.map(({ lag, waiting, dead, partitions, ...names }) => ({
      ...{ group: names.group, topic: names.topic },
      ...{ lag: Number(lag), waiting: Number(waiting), dead: Number(dead) },
      partitions: partitions.map(({ partition, committed, end }) => {
        return { partition, committed: Number(committed), end: Number(end) };
      }),
    }));
    const { stdout, env } = terminal;
    if (flags.json === true) {
      for (const row of rows) stdout.write(`${JSON.stringify(row)}\n`);
      return;
    }
    if (rows.length === 0) return void stdout.write("nobody reads any topic yet\n");
    const paint = paintFor(stdout, env);
    const cells = rows.map(({ lag, waiting, dead, ...row }) => [
      row.group,
      row.topic,
      ...[lag, waiting, dead].map(String),
    ]);
    const [head = "", ...lines] = table([["GROUP", "TOPIC", "LAG", "WAITING", "DEAD"], ...cells]);
    const coloured = lines.map((line, index) => ((rows[index]?.dead ?? 0) > 0 ? paint("red", line) : line));
    stdout.write(`${[paint("dim", head), ...coloured].join("\n")}\n`);
  });
}
