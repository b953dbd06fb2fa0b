import type { Notification } from "../domain/notification.ts";

/** A channel to the outside. */
export interface Sender {
  /**
   * Resolves when the other side has taken it over. Rejects with a WeftError whose message may be shown to the person:
   * a retryable one may be tried again, any other can't succeed. Ends within 30 s by itself.
   */
  send(notification: Notification, address: string): Promise<void>;
}
