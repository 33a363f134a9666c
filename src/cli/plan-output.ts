/** What `ask -v` says before work starts. */
import pc from "picocolors";
import type { ModelPlan, Plan } from "../methods/plan.js";

export function formatPlan(plan: Plan): string {
  const { method, candidates, rollouts, steps, blockTokens, promptTokens, maxTokens } = plan;
  const rows: [string, string][] = [
    [
      "plan",
      `${method}: ${counted(steps, "step")} of ${counted(blockTokens, "token")}, ${counted(candidates, "candidate")} × ${counted(rollouts, "rollout")}; ${counted(promptTokens, "prompt token")}, answer up to ${grouped(maxTokens)}`,
    ],
    ...rowsOf(plan.model, ""),
    ...(plan.proposal ? rowsOf(plan.proposal, "proposal's ") : []),
    [
      "peak",
      `${bytes(plan.peakBytes)} expected; ${bytes(plan.freeBytes)} free where the context is made`,
    ],
  ];
  return rows.map(([name, value]) => `  ${pc.dim(name.padEnd(18))} ${value}`).join("\n");
}

function rowsOf(model: ModelPlan, whose: string): [string, string][] {
  const { cells, sequences, batchTokens, outputs, kvType, streams, parallel, waves } = model;
  const { weights, copy, vocabulary, kvCache, logits, compute } = model.memory;
  const { prefilled, generated, scored } = model.tokens;
  return [
    [
      `${whose}context`,
      `${grouped(cells)} cells (${kvType}, ${streams}), ${counted(sequences, "sequence")}; batches of ${grouped(batchTokens)} tokens, ${grouped(outputs)} outputs`,
    ],
    [`${whose}draws`, `${grouped(parallel)} side by side, ${counted(waves, "wave")} a step`],
    [
      `${whose}memory`,
      `weights ${bytes(weights)}, ${copy > 0 ? `their copy ${bytes(copy)}, ` : ""}vocabulary ${bytes(vocabulary)}, KV cache ${bytes(kvCache)}, logits ${bytes(logits)}, compute ${bytes(compute)}`,
    ],
    [
      `${whose}tokens`,
      `at most ${grouped(generated)} generated, ${grouped(prefilled)} prefilled, ${grouped(scored)} scored`,
    ],
  ];
}

function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function grouped(count: number): string {
  return count.toLocaleString("en");
}

function bytes(count: number): string {
  const [divisor, unit] = count < 2 ** 30 ? [2 ** 20, "MiB"] : [2 ** 30, "GiB"];
  const value = count / divisor;
  return `${value.toFixed(value < 100 ? 1 : 0)} ${unit}`;
}
