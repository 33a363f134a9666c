/** The task of a cheerful sentence about something gloomy. The reward is VADER's measure of its tone. */
import { defineTask } from "llama-ets";
import vader from "vader-sentiment";
import { methodsWithPotential } from "./methods-with-potential.mjs";
import { distinctRows } from "./random.mjs";
import { scoreGrader } from "./score-grader.mjs";

const GLOOMY =
  `a rainy Monday,a lost key,a late train,a broken cup,an empty street,a long queue,a cold
room,a missed bus,a flat tire,a dull meeting,a burnt dinner,a power cut,a hard exam,an old bill,a grey
office,a delayed flight,a leaking roof,a noisy neighbor,a dentist's waiting room,a closed shop`
    .replaceAll("\n", " ")
    .split(",");
const READERS =
  "a friend,a child,a neighbor,a colleague,a stranger,a sister,a newspaper,a diary,a postcard,a blog,a guest,an aunt,a letter,a speech,a song,a travel guide,a class,a judge,a pen pal,a team,a radio show,a grandmother,a novel,a menu".split(
    ",",
  );

/** Returns the tone from 0 (most negative) to 1 (most positive); 0.5 is neutral. */
export function cheer({ text }) {
  const { compound } = vader.SentimentIntensityAnalyzer.polarity_scores(text);
  return (compound + 1) / 2;
}

const task = defineTask({
  name: "tone",
  extract: (text) => text,
  parse: (row) => ({ id: row.text("id"), prompt: row.text("prompt"), gold: "" }),
  openGrader: async () => scoreGrader((_, text) => cheer({ text })),
});
export default task;

export const tone = {
  task,
  maxTokens: 40,
  sizes: { pilot: 8, study: 44, held: 12 },
  title: "A cheerful sentence about something gloomy",
  known: "how cheerful a text is (VADER)",
  rows: (count) =>
    distinctRows("tone", count, ({ one }) => {
      return { prompt: `Write one sentence about ${one(GLOOMY)} for ${one(READERS)}.` };
    }),
  reward: cheer,
  methods: methodsWithPotential(4, 8),
};
