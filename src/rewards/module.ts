import path from "node:path";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { fixOfModule, importDefault } from "../engine/load-module.js";
import { type Reward, type RewardFunction, toReward } from "./reward.js";

/**
 * Loads a reward from a JavaScript module: its default export is a function of a completion, or a
 * `Reward`. The module runs with the rights of this process. Throws `ERR_REWARD`.
 */
export async function loadRewardModule(file: string): Promise<Reward> {
  let exported: unknown;
  try {
    exported = await importDefault(file);
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_REWARD",
      `Could not load the reward ${file}: ${messageOf(error)}`,
      { cause: error, ...fixOfModule(file, error) },
    );
  }
  if (typeof exported === "function") return named(path.basename(file), exported as RewardFunction);
  const reward = exported as Partial<Reward> | null | undefined;
  if (typeof reward?.score === "function" && typeof reward.name === "string") {
    return reward as Reward;
  }
  throw new LlamaEtsError(
    "ERR_REWARD",
    `Expected ${file} to export a function or a reward with \`name\` and \`score\` as its default`,
    { fix: "export default (completion) => completion.text.length < 200 ? 1 : 0;" },
  );
}

/** The reward is named after the file, since a default export has no name of its own. */
function named(name: string, reward: RewardFunction): Reward {
  return { ...toReward(reward), name };
}
