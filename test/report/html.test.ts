/** Markup escapes whatever is put into it. */
import fc from "fast-check";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { html } from "../../src/report/html.js";
import { renderPage } from "../../src/report/page.js";
import { checkPage } from "../fixtures/html-page.js";

test("what is put into a template comes back as text and as an attribute, unchanged", () => {
  const text = fc.string({ unit: "binary", minLength: 1 }).map((raw) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they become pictures, tested below
    raw.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffe\uffff]/g, ""),
  );
  const pieces = fc.constantFrom(
    "<script>",
    "</p>",
    '"',
    "'",
    "&",
    "&lt;",
    "<!--",
    "]]>",
    "</style>",
  );
  const hostile = fc.array(fc.oneof(text, pieces)).map((parts) => parts.join(""));
  fc.assert(
    fc.property(hostile, (value) => {
      const { document } = parseHTML(html`<p title="${value}">${value}</p>`.markup);
      const paragraph = document.querySelector("p");
      expect(document.querySelectorAll("*")).toHaveLength(1);
      expect(paragraph?.textContent).toBe(value);
      expect(paragraph?.getAttribute("title")).toBe(value);
    }),
    { numRuns: 40 },
  );
});

test("markup within markup stays, arrays are joined, nothing is nothing", () => {
  const parts = ["<a>", html`<b>${1}</b>`, null, undefined, false as const];
  expect(html`<p>${parts}</p>`.markup).toBe("<p>&lt;a&gt;<b>1</b></p>");
});

test("characters that no document may hold become their pictures", () => {
  expect(html`${"a\u0000b\u001b[31m\u0085c\td\ne"}`.markup).toBe("a␀b␛[31m�c\td\ne");
  expect(html`${"\ud83d\ude00 \ud83d \ude00 \ufffe"}`.markup).toBe("😀 � � �");
});

test("a page names its script in its policy; another script is not allowed", () => {
  const page = renderPage({
    title: "</title><script>1</script>",
    body: html`x`,
    script: "let a = 1;",
  });
  const document = checkPage(page);
  expect(document.querySelectorAll("script")).toHaveLength(1);
  expect(() => checkPage(page.replace("let a = 1;", "let a = 2;"))).toThrow();
});
