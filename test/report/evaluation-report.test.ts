/** The report of evaluations: complete, escaped, with the data's points, for one item and for 500. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { DOMParser } from "linkedom";
import { describe, expect, test, vi } from "vitest";
import { compareRuns } from "../../src/evaluate/compare/compare-runs.js";
import { canonicalJson, sha256 } from "../../src/evaluate/store/sample-key.js";
import { evaluationReport } from "../../src/report/evaluation/evaluation-report.js";
import { itemFile, itemReport } from "../../src/report/evaluation/item-report.js";
import { placeLabels, widthOf } from "../../src/report/evaluation/label-placement.js";
import { figuresOf } from "../../src/report/figures.js";
import { drawFigure } from "../../src/report/plot.js";
import { pngRenderer } from "../../src/report/png.js";
import { renderWithItems } from "../../src/report/render-report.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import { checkPage } from "../fixtures/html-page.js";
import { writeRun } from "../fixtures/run-directories.js";
import { temporary } from "../fixtures/temporary-directory.js";

const report = async (...directories: string[]) => evaluationReport(await compareRuns(directories));
const STEPS = [
  { ess: 3.5, rolloutEss: 2.2, khat: 0.4, agreement: 0.5 },
  { ess: 7.1, rolloutEss: 4, khat: 0.9, agreement: 1 },
];

test("its figures stand alone as SVG, without variables of CSS", async () => {
  const run = writeRun("figures", { sample: ["1", "0"], ets: ["1", "1"] });
  const figures = figuresOf(await report(run));
  expect(figures.slice(0, 2).map(({ name }) => name)).toEqual([
    "accuracy-against-generated-tokens-a-sample",
    "accuracy-against-seconds-a-sample",
  ]);
  for (const { svg } of figures) {
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).not.toContain("var(--");
    const { documentElement } = new DOMParser().parseFromString(svg, "image/svg+xml");
    expect(documentElement.tagName).toBe("svg");
    expect(documentElement.querySelectorAll("text").length).toBeGreaterThan(0);
  }
  expect(new Set(figures.map(({ name }) => name)).size).toBe(figures.length);
});

test("a figure is a PNG of three times its size, texts included, whatever characters they have", async () => {
  const toPng = await pngRenderer();
  const figure = async (text: string, fontWeight = 400) => {
    const drawn = await drawFigure("a figure", ({ text: mark }) => ({
      width: 200,
      height: 40,
      axis: null,
      marks: [mark([text], { frameAnchor: "middle", fontWeight })],
    }));
    const [found] = figuresOf(drawn.markup);
    return Buffer.from(toPng(found?.svg ?? ""));
  };
  const pictures = await Promise.all([
    ...[figure("λ = 0.1"), figure("λ = 0.1", 600), figure("λ = 0.2"), figure("")],
    figure("a\u0007<b>&]]>\ud800 \ufffe"),
  ]);
  for (const png of pictures) {
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([600, 120]);
  }
  expect(new Set(pictures.map((png) => png.toString("base64"))).size).toBe(5);
});

test("an item's page has its question's place, every sample, why, and how the votes stood", async () => {
  const run = writeRun("one-item", { majority: ["1", "0"], ets: ["1", "1"] });
  const compared = await compareRuns([run]);
  const { items } = compared;
  const [one] = items[0]?.samples[0] ?? [];
  const text = { logProb: -1, reward: null, generated: 3 };
  Object.assign(one as object, {
    reason: "because <of> this",
    texts: ["7", "8", "8"].map((answer) => ({
      ...text,
      text: `#### ${answer}`,
      answer,
      correct: answer === "8",
    })),
  });
  const document = checkPage(await itemReport(compared, items[0]?.id ?? ""));
  expect(document.querySelector("h1")?.textContent).toBe(items[0]?.id);
  expect(document.body.textContent).toContain("because <of> this");
  const rows = [...document.querySelectorAll("tbody tr")].map(
    (row) => row.children[2]?.textContent,
  );
  expect(rows).toEqual(["7: 1", "7: 1, 8: 1", "8: 2, 7: 1"]);
  expect(document.querySelectorAll("section")).toHaveLength(2);
  await expect(itemReport(compared, "none")).rejects.toThrow(/no item none/);
});

test("with pages of its items the report links to each, and each back to it", async () => {
  const run = writeRun("all-items", { majority: ["1", "0", "1"], ets: ["1", "1", "1"] });
  const file = "/a/my report.html";
  const { page, folder, items } = await renderWithItems([run], file);
  expect(folder).toBe("/a/my report-items");
  const written = new Set<string>();
  for await (const { name, page: own } of items) {
    const [back] = checkPage(own, /^\.\.\/[\w.%-]+\.html$/).querySelectorAll("a");
    expect(path.resolve(folder, decodeURIComponent(back?.getAttribute("href") ?? ""))).toBe(file);
    written.add(path.join(folder, name));
  }
  const links = [...checkPage(page, /^[\w.%-]+\/[\w.%-]+\.html$/).querySelectorAll("a")].map(
    (a) => a.getAttribute("href") ?? "",
  );
  const linked = links.map((link) => path.resolve("/a", decodeURIComponent(link)));
  expect(linked).toHaveLength(3);
  expect(new Set(linked)).toEqual(written);
  const ids = [
    "a",
    "A",
    "a/b",
    "a_b",
    "a b",
    "../a",
    "é",
    "con".repeat(60),
    `${"con".repeat(60)}x`,
  ];
  const names = new Set(ids.map((id) => itemFile(id).toLowerCase()));
  expect(names.size).toBe(ids.length);
  for (const name of names) expect(name).toMatch(/^[\w.-]{1,100}\.html$/);
});

describe("the page", () => {
  test("has a point a method, a cell an item and method, and a row a pair", async () => {
    const run = writeRun(
      "points",
      { sample: ["1", "0", "0"], majority: ["1", "1", "0"], ets: ["1", "1", "0"] },
      { tokens: { sample: 50, majority: 400, ets: 700 } },
    );
    const document = checkPage(await report(run));
    const figures = [...document.querySelectorAll("figure svg")];
    const labels = figures.map((figure) => figure.getAttribute("aria-label"));
    expect(labels.slice(0, 2)).toEqual([
      "Accuracy against generated tokens a sample",
      "Accuracy against seconds a sample",
    ]);
    for (const figure of figures.slice(0, 2)) {
      const titles = [...figure.querySelectorAll("[aria-label=dot] title")].map(
        (t) => t.textContent,
      );
      expect(titles).toEqual([
        expect.stringMatching(/^sample: 33\.3% \(6\.1% to 79\.2%\)/),
        expect.stringMatching(/^majority: 66\.7%/),
        expect.stringMatching(/^ets: 66\.7%/),
      ]);
      for (const name of ["sample", "majority", "ets"]) expect(figure.textContent).toContain(name);
    }
    const cells = [...document.querySelectorAll(".heat title")].map((title) => title.textContent);
    expect(cells).toHaveLength(9);
    expect(cells).toContain("item/2, sample: wrong");
    expect(cells).toContain("item/2, ets: right");
    expect(document.querySelectorAll(".pairs tbody tr")).toHaveLength(3);
    const differing = [...document.querySelectorAll(".item .id")].map((id) => id.textContent);
    expect(differing).toEqual(["item/2"]);
    expect(document.querySelector(".item")?.getAttribute("data-right")).toBe("1 2");
    expect(document.querySelector(".item")?.getAttribute("data-wrong")).toBe("0");
  });

  test("names a winner only where each other method is clearly worse", async () => {
    const rates = (right: number) => Array.from({ length: 40 }, (_, i) => (i < right ? "1" : "0"));
    const said = async (name: string, methods: Record<string, string[]>) =>
      checkPage(await report(writeRun(name, methods))).body.textContent;
    expect(await said("winner", { sample: rates(10), ets: rates(40) })).toContain(
      "ets is the most accurate: 100.0%",
    );
    expect(await said("close", { sample: rates(38), mh: rates(10), ets: rates(40) })).toMatch(
      /ets has the highest accuracy, 100\.0%.* It is not told apart from sample\./,
    );
    expect(await said("tied", { sample: rates(20), ets: rates(20) })).toContain(
      "sample and ets are tied: 50.0%",
    );
  });

  test("shows how far weights can be trusted, of the methods that have some", async () => {
    const run = writeRun("weights", { sample: ["1"], ets: ["1"] }, { steps: STEPS });
    const document = checkPage(await report(run));
    const labels = [...document.querySelectorAll("figure svg")].map((f) =>
      f.getAttribute("aria-label"),
    );
    expect(labels.slice(2)).toEqual([
      "Histogram: effective sample size of the candidates",
      "Histogram: effective sample size of the rollouts",
      "Histogram: Pareto k̂ of the importance weights",
    ]);
    const without = checkPage(await report(writeRun("no-weights", { sample: ["1"] })));
    expect(without.querySelectorAll("figure svg")).toHaveLength(2);
  });

  test("shows the questions of data that are as the run had them", async () => {
    const loaded = await miniGsm.load();
    const hash = sha256(canonicalJson(loaded));
    const outcomes = { sample: ["1"], ets: ["0"] };
    const file = fileURLToPath(new URL("../../models/mini-gsm-test.jsonl", import.meta.url));
    for (const [i, from] of ["mini-gsm", file].entries()) {
      const data = { path: from, sha256: hash };
      const page = await report(writeRun(`data-${i}`, outcomes, { items: "mini-gsm", data }));
      const question = checkPage(page).querySelector(".item .ask")?.textContent;
      expect(question).toBe(loaded[0]?.prompt);
    }
    const data = { path: file, sha256: "0".repeat(64) };
    const changed = await report(writeRun("changed", outcomes, { items: "mini-gsm", data }));
    expect(changed).toContain("The questions are not shown");
  });

  test("downloads nothing", async () => {
    const fetched = vi.spyOn(globalThis, "fetch");
    vi.stubEnv("XDG_CACHE_HOME", temporary("empty-cache"));
    const data = { path: "gsm8k", sha256: "0".repeat(64) };
    const page = await report(writeRun("gsm8k", { ets: ["1"] }, { task: "gsm8k", data }));
    expect(page).toContain("The questions are not shown");
    expect(fetched).not.toHaveBeenCalled();
    vi.unstubAllEnvs();
    fetched.mockRestore();
  });

  test("loads no task of a module that a run names, and reads no device", async () => {
    const outcomes = { sample: ["1"], ets: ["0"] };
    for (const [i, task] of ["module:/tmp/evil.mjs", "mini-gsm"].entries()) {
      const data = { path: "/dev/zero", sha256: "0".repeat(64) };
      checkPage(await report(writeRun(`device-${i}`, outcomes, { task, data })));
    }
  });

  test("keeps what models and runs say as text", async () => {
    const hostile = `</style><script>alert(1)</script><img src="http://evil.example/x" onerror='alert(2)'>`;
    const run = writeRun(
      "hostile",
      { [hostile]: ["1", "x"], ets: ["0", "0"] },
      { text: hostile, gold: hostile, task: hostile, model: hostile, modelPath: hostile },
    );
    const page = await report(run);
    const document = checkPage(page);
    expect(document.querySelectorAll("script")).toHaveLength(1);
    expect(document.querySelector(".outputs .text")?.textContent).toBe(hostile);
    expect(() => checkPage(page.replace("&lt;script", "<script"))).toThrow();
  });

  test("is drawn for one item of one method, and with several samples an item", async () => {
    checkPage(await report(writeRun("one", { sample: ["1"] })));
    const document = checkPage(await report(writeRun("many", { sample: ["110"], ets: ["111"] })));
    expect(document.querySelector(".verdict.some")?.textContent).toContain("67%");
    expect(document.querySelectorAll(".outputs .graded")).toHaveLength(6);
  });

  test("is drawn where all is right, all is wrong, and nothing is in common", async () => {
    checkPage(await report(writeRun("right", { sample: ["1", "1"], ets: ["1", "1"] })));
    checkPage(await report(writeRun("wrong", { sample: ["0", "0"], ets: ["0", "x"] })));
    const apart = writeRun("apart", { sample: ["1", ""], ets: ["", "1"] });
    const document = checkPage(await report(apart));
    expect(document.querySelectorAll(".pairs")).toHaveLength(0);
    expect(document.querySelector(".warning")?.textContent).toContain("No item has samples of all");
  });

  test("of 500 items of five methods with long texts stays below 6 MB", async () => {
    const outcomes = (offset: number) =>
      Array.from({ length: 500 }, (_, i) => ((i * 7 + offset * 3) % 5 < 3 ? "1" : "0"));
    const names = ["sample", "majority", "best-of-n", "ets", "ets-is"];
    const methods = Object.fromEntries(names.map((name, i) => [name, outcomes(i)]));
    const run = writeRun("large", methods, { text: "<word> ".repeat(400), steps: STEPS });
    const page = await report(run);
    expect(page.length).toBeLessThan(6_000_000);
    expect(page).toMatch(/The first \d+ are shown, to keep the page small/);
    expect(page.match(/, ets-is: (?:right|wrong)<\/title>/g)).toHaveLength(500);
  });
});

test("labels are placed where they cover neither each other nor points", () => {
  const frame = { left: 50, right: 480, top: 0, bottom: 290 };
  const points = [
    { x: 100, y: 100, label: "sample" },
    { x: 105, y: 101, label: "majority" },
    { x: 470, y: 100, label: "best-of-n" },
    { x: 300, y: 200, label: "ets" },
    { x: 300, y: 200, label: "ets-is" },
  ];
  const places = placeLabels(points, frame);
  const boxes = points.map(({ x, y, label }, i) => {
    const { dx, dy, anchor } = places[i] as (typeof places)[number];
    const left = anchor === "start" ? x + dx : x + dx - widthOf(label);
    return { left, right: left + widthOf(label), top: y + dy - 7, bottom: y + dy + 7 };
  });
  for (const [i, a] of boxes.entries()) {
    expect(a.right).toBeLessThanOrEqual(frame.right);
    for (const b of boxes.slice(i + 1)) {
      expect(a.left >= b.right || b.left >= a.right || a.top >= b.bottom || b.top >= a.bottom).toBe(
        true,
      );
    }
  }
});
