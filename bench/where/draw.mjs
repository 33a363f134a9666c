/** Draws the outcome of one method on one item. */
import { bestOfN, majority } from "llama-ets";

/** The size of the pool of texts that the rivals share. Best-of-n and the vote use its first n texts. */
const POOL = 10;

/** Measures the CPU seconds of a function. */
async function timed(make) {
  const before = process.cpuUsage();
  const result = await make();
  const { user, system } = process.cpuUsage(before);
  return { result, cpu: (user + system) / 1e6 };
}

function settingsOf(task, item, seed) {
  const { entry } = task;
  const { prompt, ...form } = task.promptOf(item);
  return {
    prompt,
    options: {
      ...form,
      seed,
      maxTokens: entry.maxTokens,
      temperature: 0.7,
      prefixCache: false,
      extract: (text) => entry.task.extract(text, item),
    },
  };
}

/** Draws the pool: for each text its reward, grade, answer and tokens. */
export async function drawPool(task, item, seed) {
  const { prompt, options } = settingsOf(task, item, seed);
  const judges = await task.judgesOf(item);
  const method = judges.reward === undefined ? majority : bestOfN;
  const own = judges.reward === undefined ? {} : { reward: judges.reward };
  const { result, cpu } = await timed(() =>
    method(task.model, prompt, { ...options, ...own, candidates: POOL }),
  );
  const { candidates } = result.steps[0];
  const completions = candidates.flatMap((candidate) => candidate.completions);
  const earned = new Map(completions.map(({ tokens, reward }) => [tokens.join(), reward]));
  const texts = [];
  for (const { text, tokens } of candidates) {
    const { score, correct } = await task.grade(item, text);
    const answer = task.extract(text, item);
    const reward = judges.reward === undefined ? null : (earned.get(tokens.join()) ?? null);
    texts.push({ reward, score, correct, answer, tokens: tokens.length });
  }
  await judges.close();
  return { texts, cpu };
}

/** Runs a method once with `size` candidates. */
export async function drawOne(task, { method, options: ownOf }, size, item, seed) {
  const { prompt, options } = settingsOf(task, item, seed);
  const judges = await task.judgesOf(item);
  const own = ownOf(judges.reward, item, judges.potential);
  const { result, cpu } = await timed(() =>
    method(task.model, prompt, { ...options, ...own, ...(size > 1 && { candidates: size }) }),
  );
  await judges.close();
  const { score, correct } = await task.grade(item, result.text);
  return {
    score,
    correct,
    reward: result.reward,
    tokens: result.usage.generated,
    cpu,
    divergence: result.divergence,
    text: result.text,
    ...(result.auto && { auto: result.auto }),
  };
}
