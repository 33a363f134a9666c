/** The page of `serve` in a real browser. */
import { existsSync, readFileSync } from "node:fs";
import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { METHOD_NAMES } from "../../src/methods/registry.js";
import type { Setting } from "../../src/server/studio/methods.js";
import { cli, type Running, scratch, scratchFile, startCli } from "../fixtures/cli-process.js";
import { NAME, QUESTION } from "./served.js";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => existsSync(path),
);
/** A diffusion model. */
const MASKED = "mini-gsm-llada";
/** Texts that would run, or load something, if they were read as HTML. */
const HOSTILE = `<script>window.ran = 1</script><img src=x onerror="window.ran = 2"><b id="bold">`;

describe.skipIf(CHROMIUM === undefined)("the studio, in Chromium", () => {
  let server: Running;
  let browser: Browser;
  let url = "";
  let page: Page;
  let complaints: string[] = [];

  beforeAll(async () => {
    const models = ["-m", NAME, "-m", MASKED, "--name", NAME, "--name", "masked"];
    server = startCli(["serve", ...models, "--port", "0", "--threads", "1"]);
    url = await new Promise((resolve) => {
      server.child.stderr?.on("data", (text: string) => {
        const [, found] = /(http:\/\/127\.0\.0\.1:\d+) /.exec(text) ?? [];
        if (found !== undefined) resolve(found);
      });
    });
    browser = await chromium.launch({
      executablePath: CHROMIUM as string,
      args: ["--no-sandbox"],
    });
  });
  afterAll(async () => {
    await browser?.close();
    server?.child.kill("SIGTERM");
    await server?.finished;
  });
  afterEach(async () => {
    await page?.context().close();
    expect(complaints).toEqual([]);
  });

  async function open(options: BrowserContextOptions = {}): Promise<Page> {
    complaints = [];
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      ...options,
    });
    page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(url)) complaints.push(`asked for ${request.url()}`);
    });
    await page.goto(url);
    await page.getByLabel("Method", { exact: true }).selectOption("ets");
    return page;
  }

  const status = (text: string) => page.locator("#status", { hasText: text }).waitFor();

  async function askFor(question: string, settings: Record<string, string> = {}) {
    for (const [label, value] of Object.entries(settings)) await page.locator(label).fill(value);
    await page.getByLabel("Prompt", { exact: true }).fill(question);
    await page.getByRole("button", { name: "Ask", exact: true }).click();
  }

  /** Faults that keep people from using the page. */
  async function seriousFaults(): Promise<string[]> {
    const found = await page.evaluate(`(() => { ${axe.source}; return axe.run(); })()`);
    const { violations } = found as {
      violations: { id: string; impact: string; nodes: { html: string }[] }[];
    };
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  }

  async function hasNotRun(): Promise<void> {
    expect(await page.evaluate("window.ran")).toBeUndefined();
    expect(await page.locator("#runs script, #runs img, #bold").count()).toBe(0);
  }

  const isAsWideAsItsScreen = () =>
    page.evaluate("document.documentElement.scrollWidth <= window.innerWidth");

  test("its server sends nothing but the page, under a policy that lets nothing else in", async () => {
    const answered = await fetch(url);
    const policy = answered.headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    for (const path of ["server/app.js", "report/page.js", "..%2f..%2fpackage.js", "x.js"]) {
      expect((await fetch(`${url}/studio/${path}`)).status).toBe(404);
    }
    const { models } = (await (await fetch(`${url}/studio/methods`)).json()) as {
      models: { name: string; methods: { name: string; settings: Setting[] }[] }[];
    };
    expect(models.map(({ name }) => name)).toEqual([NAME, "masked"]);
    const methods = models.flatMap((model) => model.methods);
    expect(methods.map(({ name }) => name)).toEqual([...METHOD_NAMES, ...METHOD_NAMES]);
    for (const { settings } of methods) {
      expect(settings.map(({ path }) => path)).toContain("maxTokens");
      expect(settings.filter(({ help }) => help === "")).toEqual([]);
    }
  });

  test("answers, with the steps, votes and tokens of the answer", async () => {
    await open();
    await askFor(QUESTION, { "#set-blockTokens": "6", "#set-seed": "1" });
    await page.locator(".step").first().waitFor();
    await status("Done");
    const text = (await page.locator(".answer-text").textContent()) ?? "";
    expect(text).not.toBe("");
    expect(await page.locator(".step").count()).toBeGreaterThan(1);
    expect(await page.locator(".tree circle.chosen").count()).toBe(
      await page.locator(".step").count(),
    );
    await page.locator(".token").first().hover();
    expect(await page.locator(".alternatives tbody tr").count()).toBeGreaterThan(1);
    const tokens = await page.locator(".tokens").textContent();
    expect(tokens?.replaceAll("⏎", "")).toBe(text);
    expect(await seriousFaults()).toEqual([]);
  });

  test("compares two methods in the dark, and remembers what was asked", async () => {
    await open({ colorScheme: "dark" });
    await page.getByLabel("Compare with", { exact: true }).selectOption("majority");
    await askFor(QUESTION);
    await status("Done");
    expect(await page.locator(".run h2").allTextContents()).toEqual(["ets", "majority"]);
    expect(await page.locator(".run dt", { hasText: "seconds" }).count()).toBe(2);
    expect(await seriousFaults()).toEqual([]);
    await page.reload();
    await page.locator("#history button").click();
    expect(await page.getByLabel("Prompt", { exact: true }).inputValue()).toBe(QUESTION);
    expect(await page.getByLabel("Compare with", { exact: true }).inputValue()).toBe("majority");
    await page.getByRole("button", { name: "Forget all" }).click();
    await page.reload();
    expect(await page.locator("#history button").count()).toBe(0);
  });

  test("asks the model that is chosen, by what that one can do, and remembers which it was", async () => {
    await open();
    await page.getByLabel("Model", { exact: true }).selectOption("masked");
    expect(await page.locator("#model").textContent()).toMatch(/^masked \(/);
    expect(await page.locator("#constraint-part").isVisible()).toBe(false);
    expect(await page.getByLabel("Method", { exact: true }).inputValue()).toBe("ets");
    await page.getByLabel("Method", { exact: true }).selectOption("majority");
    await askFor(QUESTION, { "#set-candidates": "3" });
    await status("Done");
    expect(await page.locator(".run .answer-text").textContent()).not.toBe("");
    await page.reload();
    expect(await page.getByLabel("Model", { exact: true }).inputValue()).toBe(NAME);
    await page.locator("#history button").first().click();
    expect(await page.getByLabel("Model", { exact: true }).inputValue()).toBe("masked");
    expect(await page.getByLabel("Method", { exact: true }).inputValue()).toBe("majority");
  });

  test("is used by the keyboard alone: asks, and cancels a run that the server then ends", async () => {
    await open();
    await page.getByLabel("Method", { exact: true }).selectOption("mh");
    await page.locator("#set-moves").fill("100000");
    await page.getByLabel("Prompt", { exact: true }).focus();
    await page.keyboard.type(QUESTION);
    await page.keyboard.press("Control+Enter");
    await page.locator(".run.running").waitFor();
    await page.keyboard.press("Escape");
    await status("Cancelled");
    await expect.poll(async () => (await fetch(`${url}/metrics`)).text()).toMatch(/running\S* 0\b/);
    await page.getByLabel("Method", { exact: true }).selectOption("sample");
    await page.getByLabel("Prompt", { exact: true }).focus();
    await page.keyboard.press("Control+Enter");
    await status("Done");
    let isOnToken = false;
    for (let i = 0; i < 60 && !isOnToken; i++) {
      await page.keyboard.press("Tab");
      isOnToken = await page.evaluate("document.activeElement.classList.contains('token')");
    }
    expect(isOnToken).toBe(true);
    expect(await page.locator(".alternatives tbody tr").count()).toBeGreaterThan(1);
  });

  test("is as wide as a phone, before and after an answer", async () => {
    await open({ viewport: { width: 390, height: 844 } });
    expect(await isAsWideAsItsScreen()).toBe(true);
    await askFor(QUESTION);
    await status("Done");
    await page.locator(".run .answer-text").waitFor();
    expect(await isAsWideAsItsScreen()).toBe(true);
    expect(await seriousFaults()).toEqual([]);
  });

  test("says what the server refuses", async () => {
    await open();
    await askFor(QUESTION, { "#set-candidates": "many" });
    await status("Expected a number for candidates");
    await askFor(QUESTION, { "#set-candidates": "0" });
    await page.getByRole("alert").filter({ hasText: "candidates" }).waitFor();
    // The browser itself tells of the status 400.
    expect(complaints.splice(0)).toHaveLength(1);
  });

  test("writes what a constraint says, and shows at its field what is wrong with it", async () => {
    await open();
    await page.getByText("Constraint", { exact: true }).click();
    const kind = page.getByLabel("What the answer must be");
    const field = page.getByLabel("The constraint", { exact: true });
    const fault = page.locator("#constraint-error");
    await kind.selectOption("json");
    await field.fill('{"type": ');
    await askFor(QUESTION);
    await fault.getByText("Expected a JSON Schema").waitFor();
    expect(await page.locator(".run").count()).toBe(0);
    expect(await page.evaluate("document.activeElement?.id")).toBe("constraint");
    await kind.selectOption("regex");
    await field.fill("(?<=a)b");
    expect(await fault.isHidden()).toBe(true);
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await status("Failed");
    expect(await fault.isVisible()).toBe(true);
    expect(await field.getAttribute("aria-invalid")).toBe("true");
    expect(await seriousFaults()).toEqual([]);
    await kind.selectOption("choices");
    await field.fill("seven\nnone");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await status("Done");
    expect(["seven", "none"]).toContain(await page.locator(".answer-text").textContent());
    await page.reload();
    await page.locator("#history button").first().click();
    expect(await field.inputValue()).toBe("seven\nnone");
    // The browser itself tells of a refused request.
    complaints = complaints.filter((text) => !text.includes("400 (Bad Request)"));
  });

  test("a text that looks like HTML stays text while it comes", async () => {
    await open();
    // What the server says, with such texts in the place of the model's.
    await page.route("**/v1/chat/completions", async (route) => {
      const response = await route.fetch();
      const body = (await response.text()).replaceAll(
        /"(committed|draft|text|answer|token)":"[^"]+"/g,
        (_, name) => `"${name}":${JSON.stringify(HOSTILE)}`,
      );
      await route.fulfill({ response, body });
    });
    await askFor(HOSTILE);
    await status("Done");
    await page.locator(".token").first().hover();
    expect(await page.locator(".answer-text").textContent()).toContain(HOSTILE);
    expect(await page.locator(".run .question").textContent()).toBe(HOSTILE);
    await page.locator(".step summary").first().click();
    await hasNotRun();
    await page.reload();
    await page.locator("#history button", { hasText: "<script>" }).waitFor();
    await hasNotRun();
  });

  test("folds the thoughts of a model away from its answer", async () => {
    await open();
    await page.route("**/v1/chat/completions", async (route) => {
      const response = await route.fetch();
      const body = (await response.text()).replace(
        '"delta":{',
        () => '"delta":{"reasoning_content":"It is seven.",',
      );
      await route.fulfill({ response, body });
    });
    await askFor(QUESTION);
    await status("Done");
    expect(await page.locator(".answer-text").textContent()).not.toContain("seven");
    expect(await page.getByText("It is seven.").isVisible()).toBe(false);
    await page.getByText("Thoughts", { exact: true }).click();
    expect(await page.getByText("It is seven.").isVisible()).toBe(true);
  });

  test("opens traces: of 10,000 rollouts it draws some, and their texts stay texts", async () => {
    const file = scratch("trace.json");
    const asked = await cli(["ask", QUESTION, "-m", NAME, "-B", "6", "--trace", file]);
    expect(asked.code).toBe(0);
    const trace = JSON.parse(readFileSync(file, "utf8"));
    const step = trace.steps[0];
    // A repeated candidate's rollouts are with the first.
    const candidate = step.candidates.find(
      ({ completions }: { completions: object[] }) => completions.length > 0,
    );
    const [completion] = candidate.completions;
    const hostile = { ...completion, text: HOSTILE, answer: HOSTILE };
    candidate.completions = Array.from({ length: 10_000 }, () => hostile);
    const large = scratchFile("large.json", JSON.stringify({ ...trace, text: HOSTILE }));
    await open();
    await page.locator("#trace").setInputFiles(large);
    await status("Opened large.json");
    await page.locator(".step summary").first().click();
    const branch = page.locator(".branch", { hasText: "10,000 rollouts" });
    await branch.locator("summary").click();
    await branch.locator(".rollouts li").first().waitFor();
    expect(await page.locator(".rollouts li").count()).toBeLessThan(200);
    await branch.getByRole("button", { name: "Show more" }).click();
    expect(await page.locator(".answer-text").textContent()).toBe(HOSTILE);
    await hasNotRun();

    const drop = await page.evaluateHandle(`(() => {
      const transfer = new DataTransfer();
      const text = ${JSON.stringify(readFileSync(file, "utf8"))};
      transfer.items.add(new File([text], "dropped.json"));
      return transfer;
    })()`);
    await page.dispatchEvent("body", "drop", { dataTransfer: drop });
    await status("Opened dropped.json");
    await expect.poll(() => page.locator(".answer-text").textContent()).toBe(trace.text);

    const bad = [
      ["text.json", "{"],
      ["other.json", '{"format":"other"}'],
      ["weights.json", JSON.stringify({ ...trace, steps: [{ ...step, weights: [-1] }] })],
      ["steps.json", JSON.stringify({ ...trace, steps: [{ ...step, chosen: 99 }] })],
    ] as const;
    for (const [name, content] of bad) {
      await page.locator("#trace").setInputFiles(scratchFile(name, content));
      await status(`${name} `);
    }
    await expect.poll(() => page.locator(".answer-text").textContent()).toBe(trace.text);
  });
});
