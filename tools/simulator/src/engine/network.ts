import type { Random } from "./random.ts";
import type { Timeline } from "./timeline.ts";

/** The way to a host, as faults change it. */
export class Link {
  /** Share of messages lost, and sent again by TCP. */
  loss = 0;
  #isCut = false;
  #held: (() => void)[] = [];

  get isCut(): boolean {
    return this.#isCut;
  }

  /** Nothing passes, nobody is told. */
  cut(): void {
    this.#isCut = true;
  }

  /** What was sent meanwhile is sent again. */
  mend(): void {
    this.#isCut = false;
    const held = this.#held;
    this.#held = [];
    for (const send of held) send();
  }

  hold(send: () => void): void {
    this.#held.push(send);
  }
}

/** What TCP waits at least before it sends again (RFC 6298 as Linux has it), in milliseconds. */
const retransmitMs = 200;

/** Chance and time that all links share. */
export interface NetworkOptions {
  readonly timeline: Timeline;
  readonly random: Random;
}

/**
 * One direction of a connection. Messages arrive in the order in which they were sent, as over TCP: one that is lost
 * holds up all behind it.
 */
export class Pipe {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #link: Link;
  readonly #delayMs: number;
  #lastArrivalMs = 0;

  /** @param delayMs one way at its fastest; a tail of a quarter of it on average comes on top */
  constructor({ timeline, random }: NetworkOptions, link: Link, delayMs: number) {
    this.#timeline = timeline;
    this.#random = random;
    this.#link = link;
    this.#delayMs = delayMs;
  }

  send(deliver: () => void): void {
    if (this.#link.isCut) return this.#link.hold(() => this.send(deliver));
    let tookMs = this.#delayMs + this.#random.exponential(this.#delayMs / 4);
    for (let waitMs = retransmitMs; this.#random.chance(this.#link.loss); waitMs *= 2) tookMs += waitMs;
    this.#lastArrivalMs = Math.max(this.#timeline.nowMs + tookMs, this.#lastArrivalMs);
    this.#timeline.at(this.#lastArrivalMs, deliver);
  }
}
