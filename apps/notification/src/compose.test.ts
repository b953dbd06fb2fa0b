import { create, toBinary } from "@bufbuild/protobuf";
import { UserCreatedSchema, UserDeletedSchema } from "@weft/contracts/event";
import { Channel, DeliveryState, NotificationService } from "@weft/contracts/notification";
import { Blocks, openPubSub } from "@weft/blocks";
import { newUuid, type Secret, systemClock } from "@weft/kit";
import { Recorder, within } from "@weft/kit/testing";
import type { KeyedEvent } from "@weft/pubsub";
import { createClient, openServer, openTransport } from "@weft/rpc";
import { createLogger } from "@weft/telemetry";
import { expect, test } from "vitest";
import { compose } from "./compose.ts";
import { embeddedUrls, type Fixture, openFixture, openSmtpServer } from "./testing.ts";

/** Stands for verified tokens: the token is the subject. */
const tokens = {
  verify: (authorization: string | undefined) =>
    authorization === undefined
      ? undefined
      : { subject: authorization, roles: authorization === "admin" ? ["admin"] : [] },
};

/** The composed service behind a real server, as the service host would run it. */
async function start({ dataDir }: Fixture, stack: AsyncDisposableStack, smtp?: Secret) {
  const own = new AsyncDisposableStack();
  const stop = new AbortController();
  const work: Promise<void>[] = [];
  const later: (() => void)[] = [];
  const blocks = new Blocks({ dataDir, urls: embeddedUrls, stack: own });
  const config = {
    smtp,
    mailFrom: "no-reply@example.org",
    maxAttempts: 3,
    webhookAllowPrivate: false,
  };
  const parts = await compose({
    config,
    blocks,
    clock: systemClock,
    newId: newUuid,
    log: createLogger({ service: "notification", instance: "test", level: "fatal" }),
    stack: own,
    background: (_name, begin) => void later.push(() => void work.push(begin(stop.signal))),
    readiness: () => {},
  });
  const server = own.use(await openServer({ host: "127.0.0.1", port: 0, services: parts.services, tokens }));
  for (const begin of later) begin();
  stack.defer(async () => {
    stop.abort();
    await Promise.all(work);
    await own.disposeAsync();
  });
  const transport = own.use(openTransport({ address: server.address }));
  return { client: createClient(NotificationService, transport), pubsub: await openPubSub(blocks) };
}

function event(kind: "created" | "deleted", userId: string, version: bigint): KeyedEvent {
  const [schema, data] =
    kind === "created"
      ? [
          UserCreatedSchema,
          toBinary(
            UserCreatedSchema,
            create(UserCreatedSchema, { user: { id: userId, name: "Ada", email: "ada@example.org", version } }),
          ),
        ]
      : [UserDeletedSchema, toBinary(UserDeletedSchema, create(UserDeletedSchema, { id: userId, version }))];
  return {
    key: userId,
    event: {
      id: newUuid(),
      source: "/weft/user",
      type: schema.typeName,
      subject: userId,
      time: Date.now(),
      dataContentType: "application/protobuf",
      data,
      extensions: { aggregateversion: String(version) },
    },
  };
}

test("two replicas welcome, list, watch and forget by the contract", { timeout: 20_000 }, async () => {
  await using fixture = await openFixture();
  await using stack = new AsyncDisposableStack();
  const [one, two] = [await start(fixture, stack), await start(fixture, stack)];
  const [ada, eve, admin] = [{ authorization: "ada" }, { authorization: "eve" }, { authorization: "admin" }];

  const created = event("created", "ada", 1n);
  await one.pubsub.publish("weft.user.v1", [created, created]);
  const titles = async (): Promise<string[]> =>
    (await two.client.list({}, ada)).notifications.map((notification) => notification.title);
  await within(15_000, "the welcome", async () => (await titles()).length > 0);
  expect(await titles()).toEqual(["Welcome to Weft, Ada"]);
  const welcome = (await one.client.get({ id: "welcome-ada" }, ada)).notification;
  expect(welcome).toMatchObject({ type: "welcome", userId: "ada", read: false });
  expect(welcome?.deliveries.map(({ channel, state }) => [channel, state])).toEqual([
    [Channel.IN_APP, DeliveryState.DELIVERED],
    [Channel.EMAIL, DeliveryState.SUPPRESSED],
    [Channel.WEBHOOK, DeliveryState.SUPPRESSED],
  ]);

  const abort = new AbortController();
  const watched = new Recorder(one.client.watch({ userId: "ada", eventId: "1" }, { ...ada, signal: abort.signal }));
  await two.client.send({ userId: "ada", type: "news", title: "News", requestId: "r" }, admin);
  await within(15_000, "the watcher hears of it", () => watched.values.length > 0);
  expect(watched.last).toMatchObject({ eventId: "2", notification: { title: "News" } });
  abort.abort();
  await watched.ended.catch(() => undefined);

  expect((await two.client.markRead({ id: "welcome-ada" }, ada)).notification?.read).toBe(true);
  const reasons = await Promise.all(
    [
      one.client.get({ id: "welcome-ada" }, eve),
      one.client.list({ userId: "ada" }, eve),
      one.client.list({}),
      one.client.send({ userId: "ada", title: "x" }, ada),
      one.client.list({ pageToken: "forged" }, ada),
      one.client.list({ pageSize: -1 }, ada),
      one.client.updatePreferences({ userId: "ada", preferences: { locale: "no locale" } }, ada),
      one.client.updatePreferences({ userId: "ada", preferences: { userId: "eve" } }, ada),
      one.client.updatePreferences({ userId: "ada", preferences: {}, updateMask: { paths: ["nothing"] } }, ada),
    ].map((call) =>
      call.then(
        () => "fine",
        (error: { reason: string }) => error.reason,
      ),
    ),
  );
  expect(reasons).toEqual([
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "INVALID_PAGE_TOKEN",
    "INVALID_ARGUMENT",
    "INVALID_ARGUMENT",
    "INVALID_ARGUMENT",
    "INVALID_ARGUMENT",
  ]);

  const quietHours = { start: "22:00", end: "07:00", timeZone: "" };
  const edit = { preferences: { quietHours, locale: "de" }, updateMask: { paths: ["quiet_hours"] } };
  await one.client.updatePreferences({ userId: "ada", ...edit }, ada);
  expect((await two.client.getPreferences({ userId: "ada" }, ada)).preferences).toMatchObject({
    userId: "ada",
    channels: [Channel.EMAIL],
    locale: "",
    quietHours: { start: "22:00", end: "07:00", timeZone: "UTC" },
  });

  await one.pubsub.publish("weft.user.v1", [event("deleted", "ada", 2n), created]);
  await within(15_000, "the inbox is empty", async () => (await titles()).length === 0);
  await within(15_000, "all events are handled", async () =>
    (await one.pubsub.lag("notification")).every(({ committed, end }) => committed === end),
  );
  expect(await titles()).toEqual([]);
});

test("a mail server that is configured gets the welcome", { timeout: 20_000 }, async () => {
  await using fixture = await openFixture();
  const recipients: string[] = [];
  await using server = await openSmtpServer({
    onData: (stream, session, done) => {
      recipients.push(...session.envelope.rcptTo.map((recipient) => recipient.address));
      stream.resume().on("end", () => done());
    },
  });
  await using stack = new AsyncDisposableStack();
  const { client, pubsub } = await start(fixture, stack, server.url);
  await pubsub.publish("weft.user.v1", [event("created", "ada", 1n)]);
  await within(15_000, "the mail is noted as delivered", async () => {
    const { notifications } = await client.list({}, { authorization: "ada" });
    return notifications[0]?.deliveries[1]?.state === DeliveryState.DELIVERED;
  });
  expect(recipients).toEqual(["ada@example.org"]);
});
