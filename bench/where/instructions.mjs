/** IFEval's prompts whose instructions a short answer can follow. */
import { ifeval, openReward } from "llama-ets";
import { methodsWithPotential } from "./methods-with-potential.mjs";

/** Instructions that a hundred tokens can satisfy. Most others ask for hundreds of words or many parts. */
const SHORT =
  /^(?:keywords:|change_case:english_|punctuation:|startend:|detectable_format:(?:title|number_highlighted|constrained))/;

export const instructions = {
  task: ifeval,
  maxTokens: 64,
  sizes: { pilot: 8, study: 30, held: 8 },
  title: "Instructions that programs check (IFEval)",
  known: "the instructions' checks",
  pick: ({ row, prompt }) =>
    prompt.length < 400 && row.instruction_id_list.every((kind) => SHORT.test(kind)),
  openReward: async () => (await openReward("ifeval", {})).reward,
  methods: methodsWithPotential(8, 16),
};
