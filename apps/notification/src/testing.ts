import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Blocks, blockUrlDefaults, type BlockUrls, openState } from "@weft/blocks";
import { countingIds, ManualClock, Secret, silentLog, type WeftError } from "@weft/kit";
import type { StateStore } from "@weft/state";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import type { Parts } from "./app/parts.ts";
import type { Sender } from "./app/sender.ts";
import { composeParts } from "./compose.ts";
import type { Notification } from "./domain/notification.ts";

/** A data folder, a clock, and replicas of the service's use cases on one embedded store. For tests. */
export interface Fixture extends AsyncDisposable {
  readonly dataDir: string;
  readonly clock: ManualClock;
  /** With an e-mail channel that keeps what it is given. */
  readonly mail: TestSender;
  replica(senders?: Parts["senders"]): Promise<Parts>;
  store(): Promise<StateStore>;
}

export class TestSender implements Sender {
  readonly sent: { readonly notification: Notification; readonly address: string }[] = [];
  /** What the next tries end with. */
  failures: WeftError[] = [];

  async send(notification: Notification, address: string): Promise<void> {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    this.sent.push({ notification, address });
  }
}

export const embeddedUrls: BlockUrls = blockUrlDefaults("embedded");

export async function openFixture(): Promise<Fixture> {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-notification-"));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const clock = new ManualClock(Date.UTC(2026, 0, 15, 12));
  const mail = new TestSender();
  const newId = countingIds("n");
  // Blocks of its own for each, as separate processes have.
  const store = () => openState(new Blocks({ dataDir, urls: embeddedUrls, stack, clock }), "notification");
  return {
    dataDir,
    clock,
    mail,
    store,
    replica: async (senders = { email: mail }) =>
      composeParts({ store: await store(), senders, clock, newId, log: silentLog }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A mail server on a free port. */
export async function openSmtpServer(options: SMTPServerOptions) {
  const server = new SMTPServer({ authOptional: true, disabledCommands: ["STARTTLS"], ...options });
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const { port } = server.server.address() as AddressInfo;
  return {
    url: new Secret(`smtp://127.0.0.1:${port}`),
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
