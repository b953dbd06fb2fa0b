import { type Reason, reasons } from "@weft/kit";

/** `docs/reference/errors.md`: the table of reasons. */
export function errorsPage(): string {
  const rows = (Object.keys(reasons) as Reason[]).map((reason) => {
    const { code, httpStatus, retryable, meaning } = reasons[reason];
    return `| \`${reason}\` | \`${code}\` | ${httpStatus} | ${retryable ? "yes" : "no"} | ${meaning} |`;
  });
  return [
    "# Errors",
    "",
    "Written by `npm run docs` from `libs/kit/src/reasons.ts`.",
    "",
    "Every error has a `reason` of this table, which decides its gRPC status code and its HTTP status. Over gRPC the reason stands in `google.rpc.ErrorInfo` (domain `weft`), problems of single fields in `google.rpc.BadRequest`, and a wait before the next try in `google.rpc.RetryInfo`. Over HTTP the body is `application/problem+json` (RFC 9457):",
    "",
    "```json",
    '{"type":"/docs/errors#ETAG_MISMATCH","title":"…","status":409,"detail":"…","code":"ABORTED","reason":"ETAG_MISMATCH","traceId":"…","errors":[]}',
    "```",
    "",
    "| reason | gRPC code | HTTP | a retry may help | |",
    "|---|---|--:|---|---|",
    ...rows,
    "",
  ].join("\n");
}
