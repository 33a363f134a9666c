/** An evaluation's report in a real browser: its filter, and pages of any width. */
import { existsSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { renderReport } from "../../src/report/render-report.js";
import { writeRun } from "../fixtures/run-directories.js";
import { temporary } from "../fixtures/temporary-directory.js";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => existsSync(path),
);

describe.skipIf(CHROMIUM === undefined)("a report, in Chromium", () => {
  const file = temporary("filtered.html");
  const address = pathToFileURL(file).href;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    // Items 0 to 5: sample is right on the even ones, ets on the first four.
    const run = writeRun("filtered", {
      sample: ["1", "0", "1", "0", "1", "0"],
      ets: ["1", "1", "1", "1", "0", "0"],
      "ets:candidates=2:rollouts=1:lambda=0.1": ["0", "1", "0", "1", "0", "1"],
    });
    writeFileSync(file, await renderReport([run]));
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ["--no-sandbox"] });
    page = await browser.newPage();
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
  });
  afterAll(async () => {
    await browser?.close();
  });

  const shown = async () =>
    Promise.all([
      page.locator("#filters output").textContent(),
      page.locator("#items > details:visible").count(),
      page.evaluate("location.hash"),
    ]);

  test("shows the items that a filter asks for, and has it in its address", async () => {
    await page.goto(address);
    const [, all] = await shown();
    expect(all).toBe(6);
    await page.selectOption("select[name=right]", "1");
    await page.selectOption("select[name=wrong]", "0");
    expect(await shown()).toEqual(["2 of 6", 2, "#right=1&wrong=0"]);
    await page.reload();
    expect(await shown()).toEqual(["2 of 6", 2, "#right=1&wrong=0"]);
    await page.fill("input[name=text]", "no such text & none=1");
    await page.keyboard.press("Enter");
    expect(await shown()).toEqual(["0 of 6", 0, "#right=1&wrong=0&text=no+such+text+%26+none%3D1"]);
    await page.goto(`${address}#right=99&wrong=x`);
    await page.reload();
    expect((await shown())[1]).toBe(6);
    await page.goto("about:blank");
    expect(complaints).toEqual([]);
  });

  test.each([320, 400, 800, 1400])("is no wider than a screen of %i pixels", async (width) => {
    await page.setViewportSize({ width, height: 800 });
    await page.goto(address);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
  });
});
