/** The tasks for all libraries: prompts, constraints, rewards, and the grading of texts. */
import { counts, share as countsShare, promise } from "../where/counts.mjs";
import { keywords, share as keywordsShare } from "../where/keywords.mjs";
import { TOPICS } from "../where/random.mjs";
import { grounded, groundedSoFar, records, SCHEMA } from "../where/records.mjs";

/** Returns a regular expression for one line of `words` words, which every library can read. */
const sentence = (words) =>
  `[A-Z][a-z']{0,14},?( [a-zA-Z][a-z']{0,14},?){${words - 2}} [a-zA-Z][a-z']{0,14}[.]`;
const TWELVE = sentence(12);
const THING = {
  type: "object",
  properties: { name: { type: "string", maxLength: 40 }, count: { type: "integer", minimum: 0 } },
  required: ["name", "count"],
  additionalProperties: false,
};

const matches = (pattern, text) => new RegExp(`^(?:${pattern})$`, "u").test(text);
const topicRows = (count) =>
  TOPICS.slice(0, count).map((topic) => ({ id: topic, topic, regex: TWELVE }));
const asksForSentence = ({ topic }) =>
  `Write one sentence about ${topic}. Use exactly twelve words.`;
const names = (topic, text) => Number(text.toLowerCase().includes(topic.split(" ").at(-1)));

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Each task has its items (with a `regex` or `schema` if texts are constrained), their prompts, the reward as
 * the Python peers get it (`asked`) and as we use it (`reward`, `potential`), and the grading of a text.
 */
export const TASKS = {
  sentences: {
    title: "one sentence of exactly twelve words",
    maxTokens: 60,
    blockTokens: 4,
    rows: topicRows,
    prompt: asksForSentence,
    isRight: (item, text) => matches(item.regex, text),
  },
  topics: {
    title: "the same, with a potential for its topic",
    maxTokens: 60,
    blockTokens: 4,
    rows: topicRows,
    prompt: asksForSentence,
    lambda: 0.1,
    asked: ({ topic }) => ({ kind: "topic", topic }),
    reward: (item, { text }) => names(item.topic, text),
    potential: (item, { text }) => names(item.topic, text),
    isRight: (item, text) => matches(item.regex, text) && names(item.topic, text) === 1,
  },
  json: {
    title: "JSON of two fields",
    maxTokens: 60,
    blockTokens: 2,
    rows: (count) => TOPICS.slice(0, count).map((topic) => ({ id: topic, topic, schema: THING })),
    prompt: ({ topic }) => `Give JSON with a name and a count of something about ${topic}.`,
    isRight(_, text) {
      const { name, count } = parsed(text) ?? {};
      return typeof name === "string" && name.length <= 40 && Number.isInteger(count) && count >= 0;
    },
  },
  keywords: {
    title: "a sentence with four given words",
    maxTokens: 40,
    blockTokens: 4,
    lambda: 0.05,
    rows: keywords.rows,
    prompt: ({ prompt }) => prompt,
    asked: ({ words }) => ({ kind: "keywords", words }),
    reward: (item, { text }) => keywordsShare({ text, item }),
    potential: (item, { text }) => keywordsShare({ text, item }),
    isRight: (item, text) => keywordsShare({ text, item }) === 1,
  },
  records: {
    title: "a JSON record of four fields",
    maxTokens: 56,
    blockTokens: 4,
    lambda: 0.05,
    rows: (count) => records.rows(count).map((row) => ({ ...row, schema: SCHEMA })),
    prompt: ({ prompt }) => prompt,
    asked: ({ source }) => ({ kind: "records", source }),
    reward: (item, { text }) => grounded({ text, item }),
    potential: (item, state) => groundedSoFar({ ...state, item }),
    isRight({ gold }, text) {
      const record = parsed(text) ?? {};
      const same = (a, b) => String(a).trim().toLowerCase() === String(b).toLowerCase();
      return Object.entries(gold).every(([field, value]) => same(record[field], value));
    },
  },
  counts: {
    title: "one or two sentences of n words",
    maxTokens: 48,
    blockTokens: 4,
    lambda: 0.05,
    rows: (count) =>
      counts.rows(count).map((row) => ({
        ...row,
        regex: Array(row.sentences).fill(sentence(row.words)).join(" "),
      })),
    prompt: ({ prompt }) => prompt,
    asked: ({ topic, sentences, words }) => ({ kind: "counts", topic, sentences, words }),
    reward: (item, { text }) => countsShare({ text, item }),
    potential: (item, state) => promise({ ...state, item }),
    isRight: (item, text) => countsShare({ text, item }) === 1,
  },
};
