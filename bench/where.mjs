// Usage: npm run bench:where -- --model FILE.gguf [--only keywords,records,…] [--scale 1] [--sizes 4,8]
//          [--minutes 0] [--draw true] [--seed 0] [--threads 1]
//          [--data-ifeval FILE] [--data-humaneval FILE] [--also FILE.gguf] [--file runs/where/lines.jsonl]
//          [--into docs/where-guidance-pays.md]
//
// Studies which method suits which task at which budget. Outcomes in --file are not drawn again, so that an
// interrupted study continues. --draw false makes the page from the kept outcomes. --also is a requantised
// model, with which two tasks are drawn too.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { parseOptions } from "./lib/arguments.mjs";
import { gainsFigure, scoresFigure } from "./where/figures.mjs";
import { page } from "./where/page.mjs";
import { compare, regrets } from "./where/results.mjs";
import { runStudy } from "./where/study.mjs";

const given = parseOptions({
  model: "",
  only: "",
  scale: 1,
  sizes: "4,8",
  minutes: 0,
  draw: "true",
  seed: 0,
  threads: 1,
  dataIfeval: "",
  dataHumaneval: "",
  also: "",
  file: "runs/where/lines.jsonl",
  into: "",
});
if (given.model === "") throw new Error("Expected --model, an instruct model's GGUF file");
const options = { ...given, sizes: given.sizes.split(",").map(Number) };
const shared = {
  ...options,
  folder: path.dirname(given.file),
  data: { instructions: given.dataIfeval || undefined, code: given.dataHumaneval || undefined },
  draw: given.draw === "true",
};
const { results, models } = await runStudy(shared);
const { tasks, tests } = compare(results, options.sizes);
const regret = regrets(results, Math.max(...options.sizes));
const again =
  given.also === ""
    ? null
    : await runStudy({
        ...shared,
        model: given.also,
        only: "keywords,counts",
        scale: given.scale / 3,
      });
const also = again && { ...compare(again.results, options.sizes), models: again.models };
const content = page({ tasks, tests, regret, models, options, also });
console.log(content);
if (given.into !== "") {
  const figures = path.join(path.dirname(given.into), "study");
  await writeFile(given.into, content);
  await writeFile(path.join(figures, "where-gains.svg"), gainsFigure(tasks));
  await writeFile(path.join(figures, "where-scores.svg"), scoresFigure(tasks));
}
