import { type FSWatcher, watch } from "node:fs";

/** Longest time that a change can go unseen, should a file watch fail us, in milliseconds. */
const pollMs = 500;

/**
 * Wakes listeners when a SQLite file in WAL mode changes. Every commit appends to the `-wal` file, so a file watch
 * tells at once; `PRAGMA data_version` tells whether another connection really committed.
 */
export class ChangeWatch implements Disposable {
  readonly #listeners = new Set<() => void>();
  readonly #walPath: string;
  readonly #dataVersion: () => number;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #seen = -1;
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
      for (const listener of [...this.#listeners]) listener();
    });
  }

  [Symbol.dispose](): void {
    this.#listeners.clear();
    this.#stop();
  }

  #start(): void {
    this.#seen = this.#dataVersion();
    this.#timer = setInterval(() => {
      if (this.#watcher === undefined) this.#openWatcher();
      this.#check();
    }, pollMs).unref();
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
    const version = this.#dataVersion();
    if (version === this.#seen) return;
    this.#seen = version;
    this.wake();
  }

  #closeWatcher(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#closeWatcher();
  }
}
