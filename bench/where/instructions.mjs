/** IFEval's prompts whose instructions a short answer can follow. */
import { ets, ifeval, openReward, particle } from "llama-ets";

/** A hundred tokens can do them; of the others most ask for hundreds of words or many parts. */
const SHORT =
  /^(?:keywords:|change_case:english_|punctuation:|startend:|detectable_format:(?:title|number_highlighted|constrained))/;

const guided = (options) => ({ lambda: 0.05, finish: "best", ...options });

export const instructions = {
  ...{ task: ifeval, maxTokens: 64, share: 0.5 },
  title: "Instructions that programs check (IFEval)",
  known: "the instructions' checks",
  pick: ({ row, prompt }) =>
    prompt.length < 400 && row.instruction_id_list.every((kind) => SHORT.test(kind)),
  openReward: async () => (await openReward("ifeval", {})).reward,
  methods: [
    {
      name: "particle, potential, blocks of 8",
      method: particle,
      options: (reward) => guided({ potential: reward, blockTokens: 8 }),
    },
    {
      ...{ name: "particle, potential, blocks of 16", isFixed: true },
      method: particle,
      options: (reward) => guided({ potential: reward, blockTokens: 16 }),
    },
    {
      name: "ets, potential, blocks of 16",
      method: ets,
      options: (reward) => guided({ potential: reward, blockTokens: 16 }),
    },
  ],
};
