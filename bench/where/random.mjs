import seedrandom from "seedrandom";

/** Returns functions that draw from lists. The seed is the name of what is drawn. */
function drawing(name) {
  const random = seedrandom(name);
  const below = (n) => Math.floor(random() * n);
  return {
    below,
    one: (list) => list[below(list.length)],
    /** Draws `count` different entries of a list, in the order of the draws. */
    some(list, count) {
      const left = [...list];
      return Array.from({ length: count }, () => left.splice(below(left.length), 1)[0]);
    },
  };
}

/** Returns `count` rows that a function draws, all with different prompts. */
export function distinctRows(name, count, rowOf) {
  const draw = drawing(name);
  const rows = new Map();
  for (let tries = 0; rows.size < count; tries++) {
    if (tries === 100 * count) throw new Error(`Expected ${count} different prompts of ${name}`);
    const row = rowOf(draw);
    if (!rows.has(row.prompt)) rows.set(row.prompt, { id: `${name}/${rows.size}`, ...row });
  }
  return [...rows.values()];
}

/** Topics of sentences. */
export const TOPICS =
  `the sea,a clock,winter,bread,a teacher,the moon,a train,music,a garden,friendship,a
river,the city,a dog,rain,a book,coffee,the forest,a bridge,summer,a letter,a window,the desert,a
farmer,snow,a mountain,a violin,the market,an island,a storm,honey,a lighthouse,a bicycle,the library,a
mirror,autumn,a kitchen,the harbor,a horse,a candle,the wind`
    .replaceAll("\n", " ")
    .split(",");
