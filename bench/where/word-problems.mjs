/** mini-gsm on the bundled models: tasks with votes, with the verifier, and with six calculations. */
import {
  beam,
  bestOfN,
  confidence,
  greedy,
  loadModel,
  majority,
  miniGsm,
  particle,
  rewardModel,
} from "llama-ets";

const VOTES = [
  {
    name: "majority, votes by probability",
    method: majority,
    options: () => ({ votes: "probability" }),
  },
  { name: "beam", method: beam, options: () => ({}) },
  { name: "best-of-n, confidence", method: bestOfN, options: () => ({ reward: confidence() }) },
  {
    name: "particle, α = 4, blocks of 8",
    fixed: "particle",
    method: particle,
    options: () => ({ alpha: 4, temperature: 1, blockTokens: 8 }),
  },
];
/** The reference for the gain of many texts: one text with the most probable token at each position. */
const references = [
  { name: "greedy", method: greedy, options: () => ({ temperature: undefined }) },
];

const shared = {
  references,
  answers: true,
  task: miniGsm,
  maxTokens: 120,
  model: "mini-gsm-ref",
  chosen: 2,
};
const levelOf = ({ row }) => row.level;

export const votes = {
  ...shared,
  known: "answers can be compared",
  methods: VOTES,
  sizes: { pilot: 40, study: 240, held: 40, seen: 40 },
  title: "Word problems, by votes (mini-gsm)",
  pick: (item) => levelOf(item) < 5,
  /** The reward of whole texts: the agreement with other texts. */
  votes: true,
};

export const chains = {
  ...shared,
  known: "answers can be compared",
  methods: VOTES,
  sizes: { pilot: 30, study: 120, held: 20, seen: 30 },
  title: "Word problems of six calculations, by votes",
  pick: (item) => levelOf(item) === 5,
  votes: true,
};

export const verified = {
  ...shared,
  known: "a verifier of solutions (mini-gsm-verifier)",
  sizes: { pilot: 40, study: 240, held: 40, seen: 40 },
  title: "Word problems, by a verifier",
  pick: (item) => levelOf(item) < 5,
  async openReward() {
    const judge = await loadModel("mini-gsm-verifier", { threads: 1, gpu: false });
    return Object.assign(rewardModel(judge), { [Symbol.asyncDispose]: () => judge.dispose() });
  },
  methods: [
    ...VOTES.slice(0, 2),
    {
      name: "particle, potential, blocks of 16",
      fixed: "particle",
      method: particle,
      options: (reward) => ({ potential: reward, blockTokens: 16, finish: "best" }),
    },
    {
      name: "particle, α = 4, potential, blocks of 8, λ = .3",
      method: particle,
      options: (reward) => ({
        potential: reward,
        blockTokens: 8,
        lambda: 0.3,
        finish: "best",
        alpha: 4,
        temperature: 1,
      }),
    },
    {
      name: "particle, potential, blocks of 8, λ = .3",
      method: particle,
      options: (reward) => ({ potential: reward, blockTokens: 8, lambda: 0.3, finish: "best" }),
    },
  ],
};
