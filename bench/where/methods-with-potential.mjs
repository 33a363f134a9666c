import { ets, particle } from "llama-ets";

/**
 * Returns the methods among which a pilot chooses if the reward can also judge beginnings of texts. `short`
 * and `long` are block lengths in tokens.
 */
export function methodsWithPotential(short, long) {
  const guided = (method, blockTokens) => ({
    name: `${method.name}, potential, blocks of ${blockTokens}`,
    method,
    options: (reward) => ({ lambda: 0.05, finish: "best", potential: reward, blockTokens }),
  });
  return [
    guided(particle, short),
    { ...guided(particle, long), fixed: "particle" },
    guided(ets, long),
  ];
}
