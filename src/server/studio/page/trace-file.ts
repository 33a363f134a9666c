/** Reads a trace of `ask --trace`. It is checked before use, since it may come from an untrusted source. */
import { newRun, type Run, type Step } from "./run.js";

const FORMAT = "llama-ets-trace/1";
const MAX_BYTES = 256 * 2 ** 20;

export async function readTrace(file: File): Promise<Run> {
  if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than 256 MiB`);
  let trace: unknown;
  try {
    trace = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not JSON; a trace is what llama-ets ask --trace wrote`);
  }
  if (!isRecord(trace) || trace.format !== FORMAT) {
    throw new Error(`${file.name} is no ${FORMAT}; a trace is what llama-ets ask --trace wrote`);
  }
  const steps = trace.steps;
  if (!Array.isArray(steps) || !steps.every(isStep)) {
    throw new Error(`${file.name} has steps that are not those of a trace`);
  }
  const { method, question, prompt, text, answer, agreement, reward, law, seed } = trace;
  const asked = textOf(question) ?? (isRecord(prompt) ? textOf(prompt.text) : undefined) ?? "";
  const run = newRun(textOf(method) ?? "a trace", asked);
  const usage = isRecord(trace.usage) ? trace.usage : {};
  const { generated, decoded, prefilled, ms } = usage;
  const isCounted = [generated, decoded, prefilled].every((count) => typeof count === "number");
  return {
    ...run,
    text: textOf(text) ?? "",
    steps,
    state: "done",
    guidance: {
      answer: textOf(answer) ?? null,
      ...(typeof agreement === "number" && { agreement }),
      ...(typeof reward === "number" && { reward }),
      ...(typeof law === "string" && { law }),
      ...(typeof seed === "number" && { seed }),
      ...(typeof ms === "number" && { ms }),
      ...(isCounted && {
        tokens: { generated, decoded, prefilled } as Record<
          "generated" | "decoded" | "prefilled",
          number
        >,
      }),
      warnings: Array.isArray(trace.warnings) ? trace.warnings.filter((one) => textOf(one)) : [],
    },
  };
}

type Fields = Record<string, unknown>;

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);
const isLogarithm = (value: unknown) => value === null || isNumber(value);

function isStep(value: unknown): value is Step {
  if (!isRecord(value)) return false;
  const { candidates, weights, logEnergies, chosen } = value;
  if (!Array.isArray(candidates) || !Array.isArray(weights) || !Array.isArray(logEnergies))
    return false;
  const count = candidates.length;
  return (
    weights.length === count &&
    logEnergies.length === count &&
    weights.every((weight) => isNumber(weight) && weight >= 0 && weight <= 1) &&
    logEnergies.every(isLogarithm) &&
    Number.isInteger(chosen) &&
    (chosen as number) >= 0 &&
    (chosen as number) < count &&
    [value.ess, value.agreement, value.generated, value.ms].every(isNumber) &&
    candidates.every(isCandidate)
  );
}

function isCandidate(value: unknown): boolean {
  if (!isRecord(value) || typeof value.text !== "string") return false;
  const { completions, potential } = value;
  const isJudged = potential === undefined || isNumber(potential);
  return isJudged && Array.isArray(completions) && completions.every(isCompletion);
}

function isCompletion(value: unknown): boolean {
  if (!isRecord(value) || typeof value.text !== "string") return false;
  const { answer, votes, reward } = value;
  const isAnswer = answer === undefined || answer === null || typeof answer === "string";
  const isRollout = value.rollout === null || isNumber(value.rollout);
  return isAnswer && isRollout && isNumber(votes) && (votes as number) >= 0 && isNumber(reward);
}
