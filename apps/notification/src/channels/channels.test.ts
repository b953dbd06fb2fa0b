import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Secret } from "@weft/kit";
import { expect, test } from "vitest";
import type { Notification } from "../domain/notification.ts";
import { openSmtpServer } from "../testing.ts";
import { isPublicAddress } from "./addresses.ts";
import { openSmtpSender } from "./smtp.ts";
import { openWebhookSender } from "./webhook.ts";

const notification: Notification = {
  id: "welcome-u1",
  userId: "u1",
  sequence: 1,
  type: "welcome",
  title: "Welcome, Zoë\r\nBcc: victim@example.org",
  body: "Hello Zoë,\n.\nall is ready.",
  createTime: Date.UTC(2026, 0, 1),
  deliveries: [],
};

test("a mail arrives at a mail server, with one recipient and a lasting id", async () => {
  const mails: { to: string[]; content: string }[] = [];
  await using server = await openSmtpServer({
    onData: (stream, session, done) => {
      void text(stream).then((content) => {
        mails.push({ to: session.envelope.rcptTo.map((recipient) => recipient.address), content });
        done();
      });
    },
  });
  using sender = openSmtpSender({ url: server.url, from: "Weft <no-reply@example.org>" });
  await sender.send(notification, "zoe@example.org");
  await sender.send(notification, "zoe@example.org");
  expect(mails.map((mail) => mail.to)).toEqual([["zoe@example.org"], ["zoe@example.org"]]);
  const ids = mails.map((mail) => /^Message-ID: (.*)$/im.exec(mail.content)?.[1]);
  expect(ids).toEqual(["<welcome-u1@weft>", "<welcome-u1@weft>"]);
  expect(mails[0]?.content).toMatch(/^From: Weft <no-reply@example.org>/m);
  expect(mails[0]?.content).not.toMatch(/^Bcc:/m);
});

test.each([
  [550, "FAILED_PRECONDITION"],
  [451, "UNAVAILABLE"],
])("a server that answers %i ends in %s, and the address stays out of the message", async (responseCode, reason) => {
  await using server = await openSmtpServer({
    onRcptTo: (address, _session, done) => done(Object.assign(new Error(`no ${address.address}`), { responseCode })),
  });
  using sender = openSmtpSender({ url: server.url, from: "no-reply@example.org" });
  const error: unknown = await sender.send(notification, "zoe@example.org").catch((caught: unknown) => caught);
  expect(error).toMatchObject({ reason, message: expect.not.stringContaining("zoe") });
});

test("a mail server that takes its time is given up, to be tried again", async () => {
  const late: (() => void)[] = [];
  await using server = await openSmtpServer({ onMailFrom: (_address, _session, done) => void late.push(done) });
  using sender = openSmtpSender({ url: server.url, from: "no-reply@example.org", timeoutMs: 200 });
  await expect(sender.send(notification, "zoe@example.org")).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  for (const done of late) done();
});

test("a mail server that is away can be tried again; a URL of another kind is refused at once", async () => {
  let url = new Secret("");
  {
    await using server = await openSmtpServer({});
    url = server.url;
  }
  using sender = openSmtpSender({ url, from: "no-reply@example.org" });
  await expect(sender.send(notification, "zoe@example.org")).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  const bad = { url: new Secret("http://example.org"), from: "x@example.org" };
  expect(() => openSmtpSender(bad)).toThrow(expect.objectContaining({ reason: "INVALID_CONFIGURATION" }));
});

async function hook(status: number) {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      bodies.push(body);
      response.writeHead(status, { location: "http://127.0.0.1:1/" }).end("x".repeat(100_000));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    bodies,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

test.each([
  [204, undefined],
  [302, "FAILED_PRECONDITION"],
  [404, "FAILED_PRECONDITION"],
  [429, "UNAVAILABLE"],
  [503, "UNAVAILABLE"],
])("a webhook that answers %i ends in %s", async (status, reason) => {
  await using server = await hook(status);
  const sent = openWebhookSender({ allowPrivate: true }).send(notification, `http://127.0.0.1:${server.port}/x`);
  if (reason === undefined) await sent;
  else await expect(sent).rejects.toMatchObject({ reason });
  expect(server.bodies.map((body): unknown => JSON.parse(body))).toMatchObject([{ id: "welcome-u1", userId: "u1" }]);
});

test("a webhook does not reach what only we can reach", async () => {
  await using server = await hook(204);
  const sender = openWebhookSender({ allowPrivate: false });
  for (const host of [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "0x7f.1",
    "2130706433",
    "[::ffff:127.0.0.1]",
    "169.254.169.254",
  ]) {
    const sent = sender.send(notification, `http://${host}:${server.port}/`);
    await expect(sent, host).rejects.toMatchObject({ reason: "FAILED_PRECONDITION" });
  }
  await expect(sender.send(notification, "file:///etc/passwd")).rejects.toMatchObject({
    reason: "FAILED_PRECONDITION",
  });
  expect(server.bodies).toEqual([]);
});

test.each([
  ["8.8.8.8", true],
  ["172.15.255.255", true],
  ["172.16.0.1", false],
  ["100.64.0.1", false],
  ["0.0.0.0", false],
  ["255.255.255.255", false],
  ["2606:4700::1111", true],
  ["::", false],
  ["::1", false],
  ["::ffff:8.8.8.8", false],
  ["64:ff9b::7f00:1", false],
  ["fd00::1", false],
  ["fe80::1", false],
  ["2002:7f00:1::", false],
  ["example.org", false],
])("%s is public: %s", (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected);
});
