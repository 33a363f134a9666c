/** A sentence that must have given words: the reward is the share of them that it has. */
import { defineTask, ets, particle } from "llama-ets";
import { distinctRows } from "./random.mjs";
import { scoreGrader } from "./score-grader.mjs";

const WORDS = `anchor apple barn basket bell bicycle blanket bottle bread bridge brush bucket button
  cabin camel candle carpet castle chain cherry clock cloud coat compass copper cradle crown curtain
  desert diary donkey drum eagle engine farmer feather fence ferry fiddle flute forest fountain garden
  ghost glove guitar hammer harbor hat honey horse island ivory jacket jar kettle key kite ladder lamp
  lantern lemon letter library lighthouse lion lizard map marble market mirror monk moon mountain nest
  needle oar ocean orange owl paint parrot pencil piano pillow pirate pocket pumpkin puzzle rabbit
  raft ribbon river rope saddle sailor scarf shadow shovel silver sister skate snow spoon squirrel
  statue storm sugar sword table tailor teapot thread ticket tiger tower train trumpet turtle umbrella
  valley violin wagon wallet watch whale wheat whistle window winter wolf wool`.split(/\s+/);
const ASKED = 4;

/** The share of the item's words that a text has, or that its beginning has so far. */
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
    ...{ id: row.text("id"), prompt: row.text("prompt") },
    gold: row.strings("words").join(" "),
  }),
  openGrader: async () => scoreGrader((item, text) => share({ text, item })),
});
export default task;

const guided = (options) => ({ lambda: 0.05, finish: "best", ...options });

export const keywords = {
  ...{ task, maxTokens: 40 },
  title: "A sentence with four given words",
  known: "which words it must have",
  rows: (count) =>
    distinctRows("keywords", count, ({ some }) => {
      const words = some(WORDS, ASKED);
      return { prompt: `Write one sentence with these words: ${words.join(", ")}.`, words };
    }),
  reward: share,
  methods: [
    {
      name: "particle, potential, blocks of 4",
      method: particle,
      options: (reward) => guided({ potential: reward, blockTokens: 4 }),
    },
    {
      ...{ name: "particle, potential, blocks of 8", isFixed: true },
      method: particle,
      options: (reward) => guided({ potential: reward, blockTokens: 8 }),
    },
    {
      name: "ets, potential, blocks of 8",
      method: ets,
      options: (reward) => guided({ potential: reward, blockTokens: 8 }),
    },
  ],
};
