import { backoffMs } from "@weft/kit";
import { type NetworkOptions, Pipe } from "../engine/network.ts";
import type { Answer, Instance, Request } from "./instance.ts";

/** How a try ends for its caller. `lost`: the connection broke under it. */
export type TryEnd = { readonly answer: Answer | "lost"; readonly retryAfterMs?: number | undefined };

/** A try on its way. */
export interface Try {
  /** Told once, unless it is cancelled first. */
  readonly ended: (end: TryEnd) => void;
  readonly deadlineMs: number;
}

export interface ConnectionOptions extends NetworkOptions {
  readonly instance: Instance;
  /** One way to the instance at the fastest, in milliseconds. */
  readonly delayMs: number;
  /** Whether it is connected and the instance says that it serves. */
  readonly onAvailable: (isAvailable: boolean) => void;
  /** Whether the instance is silent although it was asked: stopped, or cut off. */
  readonly onSuspect: (isSuspect: boolean) => void;
  /** What its answers usually take, in milliseconds. */
  readonly latencyMs: () => number;
}

/**
 * As the transport has it: how long an instance that somebody waits for may be silent before it is asked whether it is
 * there, and how long it has for the answer: at least the first, as many of its usual latencies as `factor` says, and
 * `mostMs` at most.
 */
const silence = { askAfterMs: 300, answerMs: 500, factor: 3, mostMs: 2_000 } as const;

/** How often the transport looks after its calls, in milliseconds. */
const beatMs = 100;

/** Waits before a lost connection is opened again, in milliseconds. */
const reconnect = { initialMs: 20, maxMs: 5_000 } as const;

/** One caller's connection to one instance: opened again when it is lost, with its health watched, as the transport does. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #tries = new Map<Try, Request>();
  readonly #onChange = (): void => this.#stateChanged();
  #out: Pipe;
  #back: Pipe;
  /** Counts openings, so that what an earlier connection brings is not taken for news. */
  #opening = 0;
  #failures = 0;
  #isOpen = false;
  #isClosed = false;
  #isSuspect = false;
  #isListening = false;
  #heardMs = 0;
  /** When it was asked whether it is there. */
  #askedMs: number | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#out = this.#newPipe();
    this.#back = this.#newPipe();
    options.instance.watch(this.#onChange);
    this.#open();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(it: Try): void {
    const { instance } = this.#options;
    const opening = this.#opening;
    const back = this.#back;
    const request: Request = {
      deadlineMs: it.deadlineMs,
      isCancelled: false,
      respond: (answer, retryAfterMs) =>
        back.send(() => {
          if (opening !== this.#opening) return;
          this.#heard();
          if (this.#tries.delete(it)) it.ended({ answer, retryAfterMs });
        }),
    };
    if (this.#tries.size === 0) this.#heardMs = this.#options.timeline.nowMs;
    this.#tries.set(it, request);
    this.#listen();
    this.#out.send(() => {
      if (opening === this.#opening && instance.state !== "down") instance.accept(request);
    });
  }

  /** The caller needs it no longer; the instance hears of that. */
  cancel(it: Try): void {
    const request = this.#tries.get(it);
    if (request === undefined) return;
    this.#tries.delete(it);
    this.#out.send(() => {
      request.isCancelled = true;
    });
  }

  /** No longer listed: calls that run there may end. */
  close(): void {
    this.#isClosed = true;
    this.#options.instance.unwatch(this.#onChange);
  }

  #newPipe(): Pipe {
    return new Pipe(this.#options, this.#options.instance.link, this.#options.delayMs);
  }

  #open(): void {
    const { instance, onAvailable } = this.#options;
    const opening = (this.#opening += 1);
    this.#out = this.#newPipe();
    this.#back = this.#newPipe();
    // The handshake, and the first answer of the health watch.
    this.#out.send(() => {
      if (instance.state === "down") return this.#back.send(() => this.#lost(opening));
      instance.whenAwake(() =>
        this.#back.send(() => {
          if (opening !== this.#opening || this.#isClosed) return;
          this.#isOpen = true;
          this.#failures = 0;
          this.#heard();
          onAvailable(instance.isServing);
        }),
      );
    });
  }

  /** The host tells of the end of a process, and a process of its health; a frozen one or a cut link tell nothing. */
  #stateChanged(): void {
    const { instance, onAvailable } = this.#options;
    const opening = this.#opening;
    if (instance.state === "frozen") return;
    this.#back.send(() => {
      if (opening !== this.#opening || this.#isClosed) return;
      if (instance.state === "down") this.#lost(opening);
      else if (this.#isOpen) onAvailable(instance.isServing);
    });
  }

  #lost(opening: number): void {
    const { timeline, random, onAvailable } = this.#options;
    if (opening !== this.#opening) return;
    this.#opening += 1;
    this.#isOpen = false;
    if (!this.#isClosed) onAvailable(false);
    this.#suspect(false);
    this.#askedMs = undefined;
    for (const [it, request] of [...this.#tries]) {
      request.isCancelled = true;
      this.#tries.delete(it);
      it.ended({ answer: "lost" });
    }
    if (this.#isClosed) return;
    this.#failures += 1;
    const waitMs = backoffMs(this.#failures, { ...reconnect, random: random.next });
    timeline.after(waitMs, () => {
      if (!this.#isClosed) this.#open();
    });
  }

  #heard(): void {
    this.#heardMs = this.#options.timeline.nowMs;
    this.#askedMs = undefined;
    this.#suspect(false);
  }

  #suspect(isSuspect: boolean): void {
    if (this.#isSuspect === isSuspect) return;
    this.#isSuspect = isSuspect;
    if (!this.#isClosed) this.#options.onSuspect(isSuspect);
  }

  /** While calls run: notices silence, asks, and draws the conclusion when there is no answer. */
  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#options.timeline.after(beatMs, () => {
      this.#isListening = false;
      if (this.#tries.size === 0) return;
      this.#beat();
      this.#listen();
    });
  }

  #beat(): void {
    const { timeline, latencyMs } = this.#options;
    const nowMs = timeline.nowMs;
    if (this.#askedMs === undefined) {
      if (nowMs - this.#heardMs >= silence.askAfterMs) this.#ask();
      return;
    }
    const patienceMs = Math.min(silence.mostMs, Math.max(silence.answerMs, silence.factor * latencyMs()));
    if (nowMs - this.#askedMs < patienceMs) return;
    this.#suspect(true);
    // Whoever waits goes elsewhere.
    for (const it of [...this.#tries.keys()]) {
      this.cancel(it);
      it.ended({ answer: "lost" });
    }
  }

  #ask(): void {
    const opening = this.#opening;
    const back = this.#back;
    this.#askedMs = this.#options.timeline.nowMs;
    this.#out.send(() =>
      this.#options.instance.whenAwake(() =>
        back.send(() => {
          if (opening === this.#opening) this.#heard();
        }),
      ),
    );
  }
}
