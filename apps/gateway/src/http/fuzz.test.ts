import { services } from "@weft/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bindingsOf } from "../routes/bindings.ts";
import { openTestEdge, token } from "../testing/edge.ts";

test("whatever is sent to whatever route, the answer is never a fault of ours", async () => {
  await using edge = await openTestEdge();
  edge.fake.otherwise = "empty";
  const text = fc.string({
    unit: fc.constantFrom("a", "1", "%", "2", "F", ":", "{", "}", '"', "/", "é", "&", "=", ".", "[", "]", ",", "\n"),
  });
  const body = fc.oneof(
    text,
    fc.json(),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...bindingsOf(services)),
      fc.record({
        id: text,
        query: text,
        body,
        type: fc.constantFrom("application/json", "application/x-ndjson", "text/html"),
      }),
      async ({ httpMethod, template, body: takes }, input) => {
        const path = template.text.replaceAll(/\{[^}]*\}/g, input.id.replaceAll(/[\n"{}[\]é]/g, "x"));
        const url = new URL(edge.url);
        url.search = input.query;
        const response = await fetch(`${edge.url}${path}${url.search}`, {
          method: httpMethod,
          headers: { ...token, "content-type": input.type },
          ...(takes !== undefined && { body: input.body }),
        });
        expect(response.status).toBeLessThan(500);
        expect(response.headers.get("x-trace-id")).toMatch(/^[0-9a-f]{32}$/);
        await response.arrayBuffer();
      },
    ),
    { numRuns: 400 },
  );
});
