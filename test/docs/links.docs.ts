/** Links between the documents lead to pages and headings that are there; every error code has a heading. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const documents = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md")),
  ...readdirSync(path.join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const textOf = (file: string) => readFileSync(path.join(ROOT, file), "utf8");

/** What is no code. */
function prose(text: string): string {
  return text
    .replace(/^```.*?^```/gms, "")
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]]/g, " "));
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  const headings = [...text.replace(/^```.*?^```/gms, "").matchAll(/^#+ (.+)$/gm)];
  return headings.map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
      .replace(/ /g, "-"),
  );
}

/** Links of a document that lead nowhere. */
function deadLinks(file: string, text: string): string[] {
  const links = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links
    .filter((link) => !/^(https?:|mailto:)/.test(link))
    .filter((link) => {
      const [name = "", anchor] = link.split("#");
      const target = name === "" ? file : path.join(path.dirname(file), name);
      if (!existsSync(path.join(ROOT, target))) return true;
      const page = target === file ? text : target.endsWith(".md") ? textOf(target) : "";
      return anchor !== undefined && !anchorsOf(page).includes(anchor);
    });
}

test.each(documents)("%s has no dead link", (file) => {
  expect(deadLinks(file, textOf(file))).toEqual([]);
});

test("a page and a heading that aren't there are found", () => {
  const text =
    "# A heading, here\n[a](nowhere.md) [b](#a-heading-here) [c](#no) [d](methods.md#cost)";
  expect(deadLinks("docs/choosing.md", text)).toEqual(["nowhere.md", "#no"]);
});

test("every document of docs/ is in the site's sidebar, under headings that are there", async () => {
  const config = new URL("../../docs/.vitepress/config.mjs", import.meta.url).href;
  const { default: site } = await import(config);
  const groups: { items: { link: string }[] }[] = site.themeConfig.sidebar;
  const links = groups.flatMap(({ items }) => items.map(({ link }) => link.slice(1)));
  const own = links.filter((link) => !link.startsWith("api/"));
  const pages = new Set(own.map((link) => `docs/${link.split("#")[0] || "index"}.md`));
  expect([...pages].sort()).toEqual(documents.filter((file) => file.startsWith("docs/")));
  for (const [name = "", anchor] of own.map((link) => link.split("#"))) {
    if (anchor !== undefined) expect(anchorsOf(textOf(`docs/${name}.md`))).toContain(anchor);
  }
});

test("docs/errors.md has a heading for every code, and no other", () => {
  const [, union = ""] = /type ErrorCode =([^;]*);/.exec(textOf("src/engine/errors.ts")) ?? [];
  const codes = [...union.matchAll(/"(ERR_\w+)"/g)].map(([, code]) => code);
  const headings = [...textOf("docs/errors.md").matchAll(/^## (ERR_.*)$/gm)];
  const named = headings.flatMap(([, heading = ""]) => heading.split(", "));
  expect(named.sort()).toEqual(codes.sort());
});

test("README and docs/choosing.md advise the same", () => {
  const table = (file: string) => /^\| you have .*?(?=^[^|])/ms.exec(`${textOf(file)}\n\n`)?.[0];
  expect(table("README.md")).toBeDefined();
  expect(table("docs/choosing.md")).toBe(table("README.md"));
});
