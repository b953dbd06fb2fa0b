import type { DescService } from "@bufbuild/protobuf";
import { type HealthCheckRequest, HealthCheckResponse_ServingStatus as Status, Health } from "@weft/contracts/grpc";
import { WeftError } from "@weft/kit";
import type { CallContext } from "../context.ts";
import { implement, type ServiceImplementation } from "../implementation.ts";

/** What the server says of its services (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). */
export interface ServerHealth {
  /** @param service full name; empty for the server as a whole */
  set(service: string, serving: boolean): void;
}

/** The standard health service: every service of the server and the server itself, not serving until told otherwise. */
export class HealthService implements ServerHealth {
  readonly implementation: ServiceImplementation;
  readonly #statuses = new Map<string, Status>([["", Status.NOT_SERVING]]);
  readonly #watchers = new Set<() => void>();

  constructor(services: readonly DescService[]) {
    for (const { typeName } of services) this.#statuses.set(typeName, Status.NOT_SERVING);
    this.implementation = implement(Health, {
      check: ({ service }) => {
        const status = this.#statuses.get(service);
        if (status === undefined) throw new WeftError("NOT_FOUND", `no service ${service} is served here`);
        return { status };
      },
      list: () => ({
        statuses: Object.fromEntries([...this.#statuses].map(([service, status]) => [service, { status }])),
      }),
      watch: (request, context) => this.#watch(request, context),
    });
  }

  set(service: string, serving: boolean): void {
    this.#statuses.set(service, serving ? Status.SERVING : Status.NOT_SERVING);
    for (const wake of this.#watchers) wake();
  }

  setAll(serving: boolean): void {
    for (const service of this.#statuses.keys()) this.set(service, serving);
  }

  /** The status now and each time it changes; a service that is not known may come to be. */
  async *#watch({ service }: HealthCheckRequest, { signal }: CallContext) {
    let told: Status | undefined;
    while (!signal.aborted) {
      const status = this.#statuses.get(service) ?? Status.SERVICE_UNKNOWN;
      if (status !== told) {
        told = status;
        yield { status };
        continue;
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#watchers.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#watchers.add(wake);
        signal.addEventListener("abort", wake);
      });
    }
  }
}
