/** The task of one or two sentences about a topic with a given number of words. */
import { bestOfN, defineTask, particle } from "llama-ets";
import { distinctRows, TOPICS } from "./random.mjs";
import { scoreGrader } from "./score-grader.mjs";

/**
 * The reward gives a third each for naming the topic, the right number of sentences, and the right number of
 * words in them.
 */
export function share({ text, item }) {
  const { topic, sentences, words } = item.row ?? item;
  const found = text.match(/[^.!?]*[\p{L}\p{N}][^.!?]*[.!?]+/gu) ?? [];
  const isWhole = /[.!?]\s*$/.test(text);
  const right = found.filter((one) => (one.match(/\S*[\p{L}\p{N}]\S*/gu) ?? []).length === words);
  const named = text.toLowerCase().includes(topic.split(" ").at(-1));
  const kept = isWhole && found.length === sentences;
  return (Number(named) + Number(kept) + Math.min(1, right.length / sentences)) / 3;
}

/** The potential of a beginning: whether it can still get the right numbers of sentences and words. */
export function promise({ text, item, finishReason }) {
  if (finishReason !== null) return share({ text, item });
  const { topic, sentences, words } = item.row ?? item;
  const ended = text.match(/[^.!?]*[\p{L}\p{N}][^.!?]*[.!?]+/gu) ?? [];
  const wrong = ended.filter((one) => (one.match(/\S*[\p{L}\p{N}]\S*/gu) ?? []).length !== words);
  const named = text.toLowerCase().includes(topic.split(" ").at(-1));
  return (Number(named) + Number(ended.length <= sentences) + Number(wrong.length === 0)) / 3;
}

/** The constraint: sentences of plain words, in the required numbers. */
function constraintOf({ row: { sentences, words } }) {
  if (sentences === 1) return { words };
  const sentence = `[A-Z][a-z]*(,? [A-Za-z]+){${words - 1}}[.]`;
  return { regex: Array.from({ length: sentences }, () => sentence).join(" ") };
}

/** Returns a right but meaningless text, which repeats the topic's last word. */
function exampleOf({ topic, sentences, words }) {
  const sentence = `${Array(words).fill(topic.split(" ").at(-1)).join(" ")}.`;
  return Array(sentences).fill(sentence).join(" ");
}

const task = defineTask({
  name: "counts",
  extract: (text) => text,
  parse: (row) => ({
    id: row.text("id"),
    prompt: row.text("prompt"),
    gold: exampleOf(row.fields),
  }),
  openGrader: async () => scoreGrader((item, text) => share({ text, item })),
});
export default task;

const NUMBERS = ["one", "two"];

export const counts = {
  task,
  maxTokens: 48,
  sizes: { pilot: 8, study: 20, held: 10 },
  title: "Sentences of a given number of words",
  known: "the number of words and sentences, the topic",
  rows: (count) =>
    distinctRows("counts", count, ({ one, below }) => {
      const [topic, sentences, words] = [one(TOPICS), 1 + below(2), 6 + below(7)];
      const asked = `${NUMBERS[sentences - 1]} sentence${sentences > 1 ? "s" : ""}`;
      const prompt = `Write ${asked} about ${topic}. Use exactly ${words} words in ${sentences > 1 ? "each" : "it"}.`;
      return { prompt, topic, sentences, words };
    }),
  chosen: 2,
  reward: share,
  potential: promise,
  constraintOf,
  methods: [
    {
      name: "particle, constraint and potential, blocks of 4",
      fixed: "particle, constraint",
      method: particle,
      options: (reward, item, potential) => ({
        reward,
        potential,
        lambda: 0.05,
        finish: "best",
        blockTokens: 4,
        constraint: constraintOf(item),
      }),
    },
    {
      name: "best-of-n, constraint",
      fixed: "best of 8, constraint",
      method: bestOfN,
      options: (reward, item) => ({ reward, constraint: constraintOf(item) }),
    },
    {
      name: "particle, potential, blocks of 4",
      fixed: "particle",
      method: particle,
      options: (reward, _, potential) => ({
        reward,
        potential,
        lambda: 0.05,
        finish: "best",
        blockTokens: 4,
      }),
    },
  ],
};
