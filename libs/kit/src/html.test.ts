import { expect, test } from "vitest";
import { escapeHtml } from "./index.ts";

test("text can't become markup", () => {
  expect(escapeHtml(`<a href="x" title='y'>&amp;</a>`)).toBe(
    "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;",
  );
  expect(escapeHtml("plain 编译器")).toBe("plain 编译器");
});
