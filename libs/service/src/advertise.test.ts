import { isIPv4 } from "node:net";
import { hostname } from "node:os";
import { expect, test } from "vitest";
import { advertised } from "./advertise.ts";

test("a listener is advertised by its own address, unless it is told another", () => {
  expect(advertised("127.0.0.1:5000", undefined)).toBe("127.0.0.1:5000");
  expect(advertised("127.0.0.1:5000", "user.example.org")).toBe("user.example.org:5000");
  expect(advertised("0.0.0.0:5000", "10.0.0.7")).toBe("10.0.0.7:5000");
  expect(advertised("0.0.0.0:5000", "fd00::7")).toBe("[fd00::7]:5000");
  expect(advertised("::1:5000", undefined)).toBe("[::1]:5000");
  expect(advertised("127.0.0.1:5000", undefined, 6000)).toBe("127.0.0.1:6000");
  expect(advertised("0.0.0.0:5000", "fd00::7", 6000)).toBe("[fd00::7]:6000");
  expect(advertised("127.0.0.1:5000", undefined, 0)).toBe("127.0.0.1:5000");
});

test.each(["0.0.0.0", "::", "[::]"])("%s is no address for a caller: one of the machine stands for it", (every) => {
  const [, host = "", port] = /^(.+):(\d+)$/.exec(advertised(`${every}:5000`, undefined)) ?? [];
  expect(port).toBe("5000");
  expect(isIPv4(host) || host === hostname(), host).toBe(true);
  expect(host).not.toMatch(/^(0|127)\./);
});
