import { ets, particle } from "llama-ets";

/** What a pilot chooses from where the reward judges beginnings of texts too; tokens of short and of long blocks. */
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
