/** The task of a sentence with given words. The reward is the share of the words that it contains. */
import { defineTask } from "llama-ets";
import { WORDS } from "../lib/words.mjs";
import { methodsWithPotential } from "./methods-with-potential.mjs";
import { distinctRows } from "./random.mjs";
import { scoreGrader } from "./score-grader.mjs";

const ASKED = 4;

/** Returns the share of the item's words that a text or a beginning contains. */
export function share({ text, item }) {
  const { words } = item.row ?? item;
  return (
    words.filter((word) => new RegExp(`\\b${word}s?\\b`, "i").test(text)).length / words.length
  );
}

const task = defineTask({
  name: "keywords",
  extract: (text) => text,
  parse: (row) => ({
    id: row.text("id"),
    prompt: row.text("prompt"),
    gold: row.strings("words").join(" "),
  }),
  openGrader: async () => scoreGrader((item, text) => share({ text, item })),
});
export default task;

export const keywords = {
  task,
  maxTokens: 40,
  sizes: { pilot: 12, study: 60, held: 12 },
  title: "A sentence with four given words",
  known: "which words it must have",
  rows: (count) =>
    distinctRows("keywords", count, ({ some }) => {
      const words = some(WORDS, ASKED);
      return { prompt: `Write one sentence with these words: ${words.join(", ")}.`, words };
    }),
  reward: share,
  methods: methodsWithPotential(4, 8),
};
