import fc from "fast-check";
import { expect, test } from "vitest";
import { type RouteMatch, Router } from "./router.ts";
import { parseTemplate } from "./template.ts";

function routerOf(...routes: readonly string[]): (method: string, path: string) => RouteMatch<string> {
  const router = new Router<string>();
  for (const route of routes) {
    const [method = "", template = ""] = route.split(" ");
    router.add(method, parseTemplate(template), route);
  }
  return (method, path) => router.find(method, path);
}

test.each([
  ["/users", "/users", []],
  ["/users/{id}", "/users/a%2Fb", ["a/b"]],
  ["/users/{id}", "/users/a:b", ["a:b"]],
  ["/users/{id}:run", "/users/a:b:run", ["a:b"]],
  ["/users/{id}:run", "/users/a%3Ab:run", ["a:b"]],
  ["/users:import", "/users:import", []],
  ["/users:import", "/us%65rs:imp%6Frt", []],
  ["/.well-known/jwks.json", "/.well-known/jwks.json", []],
  ["/{a}/{b}/x", "/1/2/x", ["1", "2"]],
  ["/{user.id}", "/7", ["7"]],
  ["/{name=shelves/*/books/*}", "/shelves/1/books/2", ["shelves/1/books/2"]],
  ["/{name=shelves/*}/books", "/shelves/a%2Fb/books", ["shelves/a%2Fb"]],
  ["/files/{path=**}", "/files/a/b%20c/d", ["a/b c/d"]],
  ["/files/{path=**}:read", "/files/a/b:read", ["a/b"]],
  ["/*/x", "/anything/x", []],
  ["/**", "/a/b", []],
])("%s matches %s", (template, path, values) => {
  expect(routerOf(`GET ${template}`)("GET", path)).toEqual({ kind: "found", route: `GET ${template}`, values });
});

test.each([
  ["/users/{id}", "/users/"],
  ["/users/{id}", "/users/a/b"],
  ["/users/{id}", "/users"],
  ["/users/{id}:run", "/users/a"],
  ["/users/{id}:run", "/users/a%3Arun"],
  ["/users/{id}:run", "/users/:run"],
  ["/users:import", "/users"],
  ["/users:import", "/users%3Aimport"],
  ["/files/{path=**}", "/files/"],
  ["/files/{path=**}", "/files/a//b"],
  ["/users", "users"],
  ["/users", "/Users"],
])("%s does not match %s", (template, path) => {
  expect(routerOf(`GET ${template}`)("GET", path)).toEqual({ kind: "none" });
});

test("a literal goes before a variable, a verb before both, and a dead end goes back", () => {
  const find = routerOf("GET /a/{x}", "GET /a/b", "GET /a/{x}:v", "GET /a/b/c", "GET /a/{x}/d", "POST /a/b");
  const found = (path: string, method = "GET"): unknown => {
    const match = find(method, path);
    return match.kind === "found" ? match.route : match.kind;
  };
  expect(found("/a/b")).toBe("GET /a/b");
  expect(found("/a/z")).toBe("GET /a/{x}");
  expect(found("/a/b:v")).toBe("GET /a/{x}:v");
  expect(found("/a/b:w")).toBe("GET /a/{x}");
  expect(found("/a/b/d")).toBe("GET /a/{x}/d");
  expect(found("/a/b", "HEAD")).toBe("GET /a/b");
  expect(find("DELETE", "/a/b")).toEqual({ kind: "method", allow: ["GET", "HEAD", "POST"] });
  expect(find("POST", "/a/z:v")).toEqual({ kind: "method", allow: ["GET", "HEAD"] });
});

test.each([
  "",
  "/",
  "users",
  "/a//b",
  "/{a",
  "/{a=}",
  "/{1}",
  "/a}b",
  "/**/a",
  "/{a=**}/b",
  "/{a}{b}",
  "/{a}/{a}",
  "/a:",
  "/a?b",
])("%s is no template", (text) => {
  expect(() => parseTemplate(text)).toThrow();
});

test("two routes for the same method and path are a mistake", () => {
  expect(() => routerOf("GET /a/{x}", "GET /a/{y}")).toThrow("two routes");
});

test("any id comes out of a path as it went in, with and without a verb", () => {
  const find = routerOf("GET /things/{id}", "POST /things/{id}:run");
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", minLength: 1 }).filter((id) => id.isWellFormed()),
      (id) => {
        const path = `/things/${encodeURIComponent(id)}`;
        expect(find("GET", path)).toMatchObject({ kind: "found", values: [id] });
        expect(find("POST", `${path}:run`)).toMatchObject({ kind: "found", values: [id] });
      },
    ),
  );
});

test("no path makes the router throw anything but INVALID_ARGUMENT", () => {
  const find = routerOf("GET /a/{x}", "GET /a/{x}/b:v", "GET /f/{p=**}:w", "GET /{a}/{b}");
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("/", ":", "%", "2", "F", "a", "b", "v", "w") }), (text) => {
      try {
        find("GET", `/${text}`);
      } catch (error) {
        expect(error).toMatchObject({ reason: "INVALID_ARGUMENT" });
      }
    }),
  );
});
