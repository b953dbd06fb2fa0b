import type { Instance } from "./world/instance.ts";
import type { World } from "./world/world.ts";

/** Something that goes wrong, or changes, when it is called. @returns what mends it */
export type Fault = (world: World) => () => void;

/** An instance takes so many times as long. */
export function slow(index: number, factor: number): Fault {
  return on(index, (instance) => {
    instance.slowness = factor;
    return () => {
      instance.slowness = 1;
    };
  });
}

/** An instance fails a share of its requests, and fast. */
export function failing(index: number, share: number): Fault {
  return on(index, (instance) => {
    instance.failingShare = share;
    return () => {
      instance.failingShare = 0;
    };
  });
}

/** And is well again after so many milliseconds. */
export function briefly(forMs: number, fault: Fault): Fault {
  return (world) => {
    const mend = fault(world);
    world.timeline.after(forMs, mend);
    return () => undefined;
  };
}

/** `kill -9`; another one is started in its place when the fault is mended. */
export function crash(index: number): Fault {
  return (world) => {
    world.instances[index]?.crash();
    return () => void world.start(index);
  };
}

/** `SIGSTOP`, and `SIGCONT`. */
export function freeze(index: number): Fault {
  return on(index, (instance) => {
    instance.freeze();
    return () => instance.thaw();
  });
}

/**
 * Every instance stops for a moment now and then, as processes do that collect garbage, or whose host has other work.
 * Both times are means, in milliseconds.
 */
export function stalls(everyMs: number, forMs: number): Fault {
  return (world) => {
    let isMended = false;
    for (const [index, instance] of world.instances.entries()) {
      const random = world.chance(`stalls ${index}`);
      const run = (): void =>
        world.timeline.after(random.exponential(everyMs), () => {
          if (isMended) return;
          instance.freeze();
          world.timeline.after(random.logNormal(forMs, 0.5), () => {
            instance.thaw();
            run();
          });
        });
      run();
    }
    return () => {
      isMended = true;
    };
  };
}

/** The link of an instance loses a share of its messages. */
export function lossy(index: number, share: number): Fault {
  return on(index, ({ link }) => {
    link.loss = share;
    return () => {
      link.loss = 0;
    };
  });
}

/** Nothing reaches a whole zone, nor comes from there, and nobody says so. */
export function zoneOutage(zone: string): Fault {
  return (world) => {
    const lost = world.instances.filter(({ facts }) => facts.zone === zone);
    for (const instance of lost) {
      instance.link.cut();
      world.registry.lookAt(instance);
    }
    return () => {
      for (const instance of lost) {
        instance.link.mend();
        world.registry.lookAt(instance);
      }
    };
  };
}

/** A new instance comes, cold: its first requests take so many times as long. It stays. */
export function coldJoin(coldFactor: number): Fault {
  return (world) => {
    world.start(world.instances.length, { coldFactor });
    return () => undefined;
  };
}

/** So many times the calls. */
export function surge(factor: number): Fault {
  return ({ load }) => {
    load.factor = factor;
    return () => {
      load.factor = 1;
    };
  };
}

/** How a service stops: told in its health and to the registry, then it settles, drains, and is gone. In milliseconds. */
const settleMs = 500;
const startMs = 1_000;

/** Every instance is replaced by a new one, cold, one after the other. */
export function rollingRestart(everyMs: number, coldFactor: number): Fault {
  return (world) => {
    const { timeline, registry } = world;
    for (const [index, old] of [...world.instances].entries()) {
      timeline.after(index * everyMs, () => {
        old.setServing(false);
        registry.deregister(old);
        timeline.after(settleMs, () => drained(world, old, () => old.crash()));
        timeline.after(startMs, () => void world.start(index, { coldFactor }));
      });
    }
    return () => undefined;
  };
}

/** Several at once. */
export function together(...faults: readonly Fault[]): Fault {
  return (world) => {
    const mends = faults.map((fault) => fault(world));
    return () => {
      for (const mend of mends) mend();
    };
  };
}

function on(index: number, fault: (instance: Instance) => () => void): Fault {
  return (world) => {
    const instance = world.instances[index];
    if (instance === undefined) throw new RangeError(`there is no instance ${index}`);
    return fault(instance);
  };
}

function drained(world: World, instance: Instance, then: () => void): void {
  if (instance.load === 0) return then();
  world.timeline.after(10, () => drained(world, instance, then));
}
