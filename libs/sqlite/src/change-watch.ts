import { type FSWatcher, watch } from "node:fs";

/** Longest time that a change can go unseen, should a file watch fail us, in milliseconds. */
const pollMs = 500;

/** No `data_version` is negative. */
const unreadable = -1;

/**
 * Wakes listeners when a SQLite file in WAL mode changes. Every commit appends to the `-wal` file, so a file watch
 * tells at once; `PRAGMA data_version` tells whether another connection really committed.
 */
export class ChangeWatch implements Disposable {
  readonly #listeners = new Set<() => void>();
  readonly #walPath: string;
  readonly #dataVersion: () => number;
  #watcher: FSWatcher | undefined;
  readonly #tick = (): void => {
    if (this.#watcher === undefined) this.#openWatcher();
    this.#check();
  };
  #seen = unreadable;
  #woken = false;

  constructor(path: string, dataVersion: () => number) {
    this.#walPath = `${path}-wal`;
    this.#dataVersion = dataVersion;
  }

  add(listener: () => void): Disposable {
    // A set of closures, so that the same function added twice is called twice.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    if (this.#listeners.size === 1) this.#start();
    return {
      [Symbol.dispose]: () => {
        this.#listeners.delete(entry);
        if (this.#listeners.size === 0) this.#stop();
      },
    };
  }

  /** Calls every listener once, in a later turn of the event loop. */
  wake(): void {
    if (this.#woken || this.#listeners.size === 0) return;
    this.#woken = true;
    setImmediate(() => {
      this.#woken = false;
      // A listener may take another one away before its turn.
      for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener();
    });
  }

  [Symbol.dispose](): void {
    this.#listeners.clear();
    this.#stop();
  }

  #start(): void {
    this.#seen = this.#version();
    everyTick(this.#tick);
    this.#openWatcher();
  }

  #openWatcher(): void {
    try {
      this.#watcher = watch(this.#walPath, { persistent: false }, () => this.#check());
      // The file is renamed or removed when its last user closes it: watch the next one.
      this.#watcher.on("error", () => this.#closeWatcher());
    } catch {
      // No such file yet, or no watches left on this machine: the timer goes on alone and tries again.
    }
  }

  #check(): void {
    const version = this.#version();
    if (version === this.#seen && version !== unreadable) return;
    this.#seen = version;
    this.wake();
  }

  /** A file that can't be read counts as changed at every look: listeners meet the failure themselves, and its end. */
  #version(): number {
    try {
      return this.#dataVersion();
    } catch {
      return unreadable;
    }
  }

  #closeWatcher(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #stop(): void {
    noTick(this.#tick);
    this.#closeWatcher();
  }
}

/** All watches of a process share one timer: an idle process wakes for all of its files together. */
const ticks = new Set<() => void>();
let timer: NodeJS.Timeout | undefined;

function everyTick(tick: () => void): void {
  ticks.add(tick);
  timer ??= setInterval(() => {
    for (const each of [...ticks]) each();
  }, pollMs).unref();
}

function noTick(tick: () => void): void {
  ticks.delete(tick);
  if (ticks.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}
