import type { DeadLetter } from "@weft/contracts/events";
import { paintFor, type Terminal } from "../terminal.ts";
import { withEvents } from "./client.ts";
import type { DeadLetterFlags } from "./commands.ts";
import { eventJson, payloadText, plain, shortType, timeText } from "./event-json.ts";

/** Prints what groups gave up, with why. */
export function deadLettersCommand(flags: DeadLetterFlags, terminal: Terminal): Promise<number> {
  return withEvents(flags, terminal, async ({ events, options }) => {
    const { topic = "", group = "", key = "", reason = "", limit = 0 } = flags;
    const { deadLetters, more } = await events.listDeadLetters({ topic, group, key, reason, limit }, options);
    const { stdout, stderr } = terminal;
    const print = printer(flags, terminal);
    for (const letter of deadLetters) print(letter);
    if (deadLetters.length === 0 && flags.json !== true) stdout.write("there are no dead letters\n");
    if (more) stderr.write("there are more: narrow them down, or raise --limit\n");
  });
}

function printer(flags: DeadLetterFlags, { stdout, env }: Terminal): (letter: DeadLetter) => void {
  if (flags.json === true) {
    return ({ event, group, reason, detail, attempts, failTime }) => {
      const line = { group, reason, detail, attempts, failTime: timeText(failTime), event: event && eventJson(event) };
      stdout.write(`${JSON.stringify(line)}\n`);
    };
  }
  const paint = paintFor(stdout, env);
  return ({ event, group, reason, detail, attempts, failTime }) => {
    if (event === undefined) return;
    const { id, topic, partition, offset, type, key, traceparent } = event;
    const place = paint("dim", `${timeText(failTime)} ${topic} ${partition}@${offset}`);
    const tries = attempts === 1 ? "1 try" : `${attempts} tries`;
    const trace = traceparent === "" ? "" : ` of trace ${traceparent.split("-")[1] ?? ""}`;
    const what = `${paint("cyan", plain(shortType(type)))} ${plain(key)}`;
    stdout.write(`${place} ${group} gave up ${what} after ${tries}\n`);
    stdout.write(`  ${paint("red", plain(reason))} ${plain(detail)}\n`);
    stdout.write(`  ${plain(`event ${id}${trace}: ${payloadText(event)}`)}\n`);
  };
}
