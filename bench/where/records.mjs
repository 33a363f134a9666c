/** The task of extracting a JSON record of four fields about a person from a text. */
import { bestOfN, defineTask, majority, particle } from "llama-ets";
import { distinctRows } from "./random.mjs";
import { scoreGrader } from "./score-grader.mjs";

const FIRST =
  "Anna Omar Lena Tom Mira Paul Sofia Juan Emma Ivan Nora Hugo Aisha Karl Julia Peter".split(" ");
const LAST = "Berg Khan Novak Silva Moreau Weber Rossi Olsen Tanaka Murphy Costa Fischer".split(
  " ",
);
const CITIES =
  "Oslo Lisbon Prague Vienna Dublin Madrid Athens Warsaw Helsinki Milan Cairo Lima".split(" ");
const JOBS =
  "baker,nurse,carpenter,teacher,pilot,dentist,plumber,lawyer,farmer,painter,cook,tailor".split(
    ",",
  );
const FIELDS = ["name", "age", "city", "job"];
const TEXT = { type: "string", minLength: 1, maxLength: 40 };
export const SCHEMA = {
  type: "object",
  properties: {
    name: TEXT,
    age: { type: "integer", minimum: 0, maximum: 130 },
    city: TEXT,
    job: TEXT,
  },
  required: FIELDS,
  additionalProperties: false,
};

/** Returns the record of a text, with or without a code fence; null if there is none. */
function recordIn(text) {
  const fenced = /```(?:json)?\s*([\s\S]*?)```/.exec(text)?.[1];
  try {
    const record = JSON.parse(fenced ?? text);
    const isObject = typeof record === "object" && record !== null && !Array.isArray(record);
    return isObject ? record : null;
  } catch {
    return null;
  }
}

function isIn(source, value) {
  return source.toLowerCase().includes(String(value).toLowerCase());
}

/**
 * The reward, which doesn't need the answer: the share of the fields whose values occur in the source text.
 */
export function grounded({ text, item }) {
  const record = recordIn(text);
  const { source } = item.row ?? item;
  if (record === null) return 0;
  return FIELDS.filter((field) => field in record && isIn(source, record[field])).length / 4;
}

/** The potential of a beginning: as `grounded`, for the fields that are complete. */
export function groundedSoFar({ text, item, finishReason }) {
  if (finishReason !== null) return grounded({ text, item });
  const { source } = item.row ?? item;
  const fields = [...text.matchAll(/"(name|age|city|job)"\s*:\s*(?:"([^"]*)"|(\d+)(?=[\s,}]))/g)];
  return fields.filter(([, , string, number]) => isIn(source, string ?? number)).length / 4;
}

/** Returns the share of the fields that are right. */
function rightFields({ row: { gold } }, text) {
  const record = recordIn(text);
  if (record === null) return 0;
  const same = (a, b) => String(a).trim().toLowerCase() === String(b).toLowerCase();
  return FIELDS.filter((field) => same(record[field], gold[field])).length / 4;
}

const task = defineTask({
  name: "records",
  extract: (text) => {
    const record = recordIn(text);
    return record && JSON.stringify(FIELDS.map((field) => record[field] ?? null));
  },
  parse: (row) => ({
    id: row.text("id"),
    prompt: row.text("prompt"),
    gold: JSON.stringify(row.fields.gold),
  }),
  openGrader: async () => scoreGrader(rightFields),
});
export default task;

/**
 * Templates of texts with the same facts in different orders. Each also mentions another person and another
 * number.
 */
const TELLINGS = [
  ({ name, age, city, job }, other) =>
    `${name}, a ${job} from ${city}, turned ${age} last week. ${other.name} of ${other.city} sent a card with ${other.age} roses.`,
  ({ name, age, city, job }, other) =>
    `After ${other.years} years away ${name} is back in ${city}. At ${age}, the ${job} shares a flat with ${other.name}, a ${other.job}.`,
  ({ name, age, city, job }, other) =>
    `We met in ${other.city}, where ${other.name} was on holiday with a friend: ${name}, ${age} years old, a ${job} who lives in ${city}.`,
];

export const records = {
  task,
  maxTokens: 56,
  sizes: { pilot: 12, study: 44, held: 12 },
  title: "A JSON record of four fields from a text",
  known: "the schema; values must stand in the text",
  rows: (count) =>
    distinctRows("records", count, ({ one, some, below }) => {
      const [first, otherFirst] = some(FIRST, 2);
      const [last, otherLast] = some(LAST, 2);
      const [city, otherCity] = some(CITIES, 2);
      const [job, otherJob] = some(JOBS, 2);
      const gold = { name: `${first} ${last}`, age: 20 + below(50), city, job };
      const name = `${otherFirst} ${otherLast}`;
      const other = {
        name,
        age: 3 + below(9),
        years: 2 + below(12),
        city: otherCity,
        job: otherJob,
      };
      const source = one(TELLINGS)(gold, other);
      const prompt = `${source}\n\nGive ${gold.name}'s record as JSON with the fields name, age, city and job. Answer with the JSON alone.`;
      return { prompt, source, gold };
    }),
  chosen: 2,
  reward: grounded,
  potential: groundedSoFar,
  constraintOf: () => ({ json: SCHEMA }),
  methods: [
    {
      name: "particle, constraint and potential, blocks of 4",
      fixed: "particle, constraint",
      method: particle,
      options: (reward, _, potential) => ({
        reward,
        potential,
        lambda: 0.05,
        finish: "best",
        blockTokens: 4,
        constraint: { json: SCHEMA },
      }),
    },
    {
      name: "best-of-n, constraint",
      fixed: "best of 8, constraint",
      method: bestOfN,
      options: (reward) => ({ reward, constraint: { json: SCHEMA } }),
    },
    {
      name: "majority, constraint",
      method: majority,
      options: () => ({ constraint: { json: SCHEMA } }),
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
