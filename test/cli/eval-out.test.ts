/** Where `eval` keeps its run if nobody says. */
import { expect, test } from "vitest";
import { cli } from "../fixtures/cli-process.js";

test("eval names its run directory, another for another run, and resumes the last", async () => {
  const run = async (...more: string[]) => {
    const args = ["eval", "mini-gsm", "--methods", "sample", "--limit", "1", "--max-tokens", "4"];
    const { stderr, stdout } = await cli([...args, ...more]);
    const [, named] = /^The run directory is (\S+)$/m.exec(stderr) ?? [];
    expect(stdout).toContain(`in ${named}`);
    return { named, stdout };
  };
  const first = await run();
  expect(first.named).toMatch(/^runs.mini-gsm-mini-gsm-ref-\d{4}-\d\d-\d\d$/);
  expect((await run()).named).toBe(`${first.named}-2`);
  const resumed = await run("--resume");
  expect(resumed.named).toBe(`${first.named}-2`);
  expect(resumed.stdout).toContain("0 samples drawn, 1 were there");
});
