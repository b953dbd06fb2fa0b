import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

/** How soon requests are looked at again that had to wait for others, in milliseconds. */
const recheckMs = 10;

let patched = false;

/**
 * Mends kafkajs 2.2.4: every connection, idle or not, plans its next look at waiting requests for the moment
 * `-1 - Date.now()`. That is a timer that fires each millisecond for ever, and since Node 24 a warning
 * (https://github.com/tulios/kafkajs/issues/1704, https://github.com/tulios/kafkajs/issues/1751). Here nothing is
 * planned while nothing waits.
 */
export function patchRequestQueue(): void {
  if (patched) return;
  patched = true;
  RequestQueue.prototype.scheduleCheckPendingRequests = function scheduleCheckPendingRequests() {
    if (this.throttleCheckTimeoutId || this.pending.length === 0) return;
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      Math.max(recheckMs, this.throttledUntil - Date.now()),
    );
  };
}
