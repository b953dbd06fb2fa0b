import { expect, test } from "vitest";
import { openTestEdge } from "../testing/edge.ts";

const preflight = { origin: "https://app.example.org", "access-control-request-method": "POST" };

test("pages of the configured origins may call, and are told what they may use", async () => {
  await using edge = await openTestEdge({ corsOrigins: ["https://app.example.org"] });
  const allowed = await fetch(`${edge.url}/api/v1/users`, { method: "OPTIONS", headers: preflight });
  expect(allowed.status).toBe(204);
  expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example.org");
  expect(allowed.headers.get("access-control-allow-methods")).toBe("GET, HEAD, POST");
  expect(allowed.headers.get("access-control-allow-headers")).toContain("Idempotency-Key");
  const problem = await fetch(`${edge.url}/nowhere`, { headers: { origin: "https://app.example.org" } });
  expect(problem.headers.get("access-control-allow-origin")).toBe("https://app.example.org");
  const other = await fetch(`${edge.url}/api/v1/users`, {
    method: "OPTIONS",
    headers: { origin: "https://evil.example" },
  });
  expect([other.headers.get("access-control-allow-origin"), other.headers.get("vary")]).toEqual([null, "Origin"]);
});

test("* is any origin, and none is none", async () => {
  await using open = await openTestEdge({ corsOrigins: ["*"] });
  expect((await fetch(`${open.url}/docs`)).headers.get("access-control-allow-origin")).toBe("*");
  await using closed = await openTestEdge();
  const response = await fetch(`${closed.url}/api/v1/users`, { method: "OPTIONS", headers: preflight });
  expect(response.headers.get("access-control-allow-origin")).toBeNull();
});
