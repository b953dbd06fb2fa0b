import { type Secret, WeftError, withTimeout } from "@weft/kit";
import { createTransport } from "nodemailer";
import type { Sender } from "../app/sender.ts";
import type { Notification } from "../domain/notification.ts";

/** Longest silence of a mail server in any step, in milliseconds. */
const stepMs = 10_000;

export interface SmtpOptions {
  /** `smtp://user:password@host:port` or `smtps://…`. */
  readonly url: Secret;
  /** Sender of the mails. */
  readonly from: string;
  /** Longest time of a mail, from its place in the queue for a connection to its end, in milliseconds. Default 30,000. */
  readonly timeoutMs?: number;
}

/** Sends notifications as plain text. Disposing closes its connections. */
export function openSmtpSender({ url, from, timeoutMs = 30_000 }: SmtpOptions): Sender & Disposable {
  const transport = createTransport({
    url: checkedUrl(url),
    pool: true,
    maxConnections: 4,
    connectionTimeout: stepMs,
    greetingTimeout: stepMs,
    socketTimeout: stepMs,
    // What people are told must not make the server read files or URLs.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send({ id, title, body }: Notification, address) {
      // The same id at every try, so that a mail that went out twice can be told.
      const messageId = `<${encodeURIComponent(id)}@weft>`;
      const mail = { from, to: { name: "", address }, subject: title, text: body, messageId };
      try {
        // A server may be slow in every one of its steps.
        await withTimeout(() => transport.sendMail(mail), { timeoutMs, what: "a mail" });
      } catch (cause) {
        throw smtpError(cause);
      }
    },
    [Symbol.dispose]: () => transport.close(),
  };
}

/** Nodemailer's errors: what the server refuses for good (5xx) can't be retried, everything else can. Messages name no address. */
function smtpError(cause: unknown): WeftError {
  const code: unknown = cause instanceof Error && "responseCode" in cause ? cause.responseCode : undefined;
  const status = typeof code === "number" ? code : 0;
  const authentication = cause instanceof Error && "code" in cause && cause.code === "EAUTH";
  // Wrong credentials are ours to mend: the mail itself is fine.
  if (status >= 500 && !authentication) {
    return new WeftError("FAILED_PRECONDITION", `the mail server refused it (${status})`);
  }
  return new WeftError(
    "UNAVAILABLE",
    status === 0 ? "the mail server can't be reached" : `the mail server put it off (${status})`,
  );
}

function checkedUrl(url: Secret): string {
  const text = url.reveal();
  if (/^smtps?:$/.test(URL.parse(text)?.protocol ?? "")) return text;
  throw new WeftError("INVALID_CONFIGURATION", "notification.smtp is not a URL with smtp: or smtps:");
}
