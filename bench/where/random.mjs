import seedrandom from "seedrandom";

/** Draws from lists, by a seed that names what is drawn. */
function drawing(name) {
  const random = seedrandom(name);
  const below = (n) => Math.floor(random() * n);
  return {
    below,
    one: (list) => list[below(list.length)],
    /** `count` different ones of a list, in the order in which they are drawn. */
    some(list, count) {
      const left = [...list];
      return Array.from({ length: count }, () => left.splice(below(left.length), 1)[0]);
    },
  };
}

/** `count` rows that a function makes of a drawing, no two with one prompt. */
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

/** Things that sentences can be about. */
export const TOPICS =
  `the sea,a clock,winter,bread,a teacher,the moon,a train,music,a garden,friendship,a
river,the city,a dog,rain,a book,coffee,the forest,a bridge,summer,a letter,a window,the desert,a
farmer,snow,a mountain,a violin,the market,an island,a storm,honey,a lighthouse,a bicycle,the library,a
mirror,autumn,a kitchen,the harbor,a horse,a candle,the wind`
    .replaceAll("\n", " ")
    .split(",");
