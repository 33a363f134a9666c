import { parseArgs } from "node:util";

/**
 * Parses `--name value` options by the types of their defaults: a number takes a number, `false` is a flag,
 * and anything else takes a text. Camel-case names are typed with dashes. Unknown options throw.
 */
export function parseOptions(defaults, args = process.argv.slice(2)) {
  const dashed = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      dashed(name),
      { type: value === false ? "boolean" : "string" },
    ]),
  );
  const { values } = parseArgs({ args, options });
  return Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => {
      const given = values[dashed(name)];
      if (given === undefined) return [name, value];
      return [name, typeof value === "number" ? toNumber(dashed(name), given) : given];
    }),
  );
}

function toNumber(name, text) {
  const number = Number(text);
  if (text.trim() === "" || Number.isNaN(number)) {
    throw new Error(`Expected --${name} to be a number, got \`${text}\``);
  }
  return number;
}
