/**
 * Rewrites forms of Python in a template that the Jinja library doesn't support as forms that it does. It
 * changes the template's parsed program before the program runs.
 */
import { parse, tokenize } from "@huggingface/jinja";

/** A node of a template's program. */
export interface Node {
  type: string;
  [field: string]: unknown;
}

/** Methods of strings with one argument, as Jinja expressions of `text` and `part`. */
const METHODS: Readonly<Record<string, string>> = {
  find: "(text.split(part, 1)[0] | length) if part in text else -1",
  index: "text.split(part, 1)[0] | length",
  rfind:
    "((text | length) - (text.split(part)[-1] | length) - (part | length)) if part in text else -1",
  count: "(text.split(part) | length) - 1",
  removeprefix: "text.split(part, 1)[1] if text.startswith(part) else text",
};

const FILTERS: Readonly<Record<string, string>> = { d: "default", count: "length" };

/** A placeholder of `str.format`: empty, a number or a name, in braces; or a doubled brace. */
const PLACE = /\{\{|\}\}|\{(\w*)\}/g;

/** Replaces the library's `strftime_now`, which supports few directives and names months by the locale. */
export const CLOCK = "strftime_now_of_python";

/** Changes a program in place, from the innermost nodes outwards. */
export function knowPython(program: Node): void {
  mapped(program);
}

function mapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mapped);
  if (value instanceof Map) {
    return new Map([...value].map(([key, inner]) => [mapped(key), mapped(inner)]));
  }
  if (!isNode(value)) return value;
  for (const [field, inner] of Object.entries(value)) value[field] = mapped(inner);
  return rewritten(value);
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}

function rewritten(node: Node): Node {
  switch (node.type) {
    case "For":
      return { ...node, iterable: orEmpty(node.iterable as Node) };
    case "FilterExpression":
      return { ...node, filter: renamed(node.filter as Node) };
    case "BinaryExpression":
      return comparedToNone(node);
    case "CallExpression":
      return calledMethod(node);
    case "Identifier":
      return node.value === "strftime_now" ? { ...node, value: CLOCK } : node;
    default:
      return node;
  }
}

/** Makes a loop over an undefined value empty. */
function orEmpty(iterable: Node): Node {
  if (iterable.type === "SelectExpression") {
    return { ...iterable, lhs: orEmpty(iterable.lhs as Node) };
  }
  return expression("items | default([])", { items: iterable });
}

function renamed(filter: Node): Node {
  if (filter.type === "CallExpression")
    return { ...filter, callee: renamed(filter.callee as Node) };
  const name = FILTERS[filter.value as string];
  return name === undefined ? filter : { ...filter, value: name };
}

/** Rewrites `== none` as a test, because an undefined value doesn't equal None. */
function comparedToNone(node: Node): Node {
  const operator = (node.operator as { value: string }).value;
  if (operator !== "==" && operator !== "!=") return node;
  const sides = [node.left, node.right] as Node[];
  const other = isNone(sides[1]) ? sides[0] : isNone(sides[0]) ? sides[1] : undefined;
  if (other === undefined) return node;
  return expression(operator === "==" ? "one is none" : "one is not none", { one: other });
}

function isNone(node: Node | undefined): boolean {
  return node?.type === "Identifier" && /^none$/i.test(node.value as string);
}

function calledMethod(node: Node): Node {
  const { callee, args } = node as unknown as { callee: Node; args: Node[] };
  if (callee.type !== "MemberExpression" || callee.computed === true) return node;
  const [text, name] = [callee.object as Node, (callee.property as Node).value as string];
  const [part] = args;
  if (name === "format" && text.type === "StringLiteral") return formatted(text, args) ?? node;
  const source = METHODS[name];
  const isPlain = source !== undefined && part !== undefined && args.length === 1;
  return isPlain ? expression(source, { text, part }) : node;
}

/** `str.format` as a concatenation; undefined if a placeholder needs more than the plain value. */
function formatted(format: Node, args: readonly Node[]): Node | undefined {
  const named = new Map(
    args
      .filter(({ type }) => type === "KeywordArgumentExpression")
      .map(({ key, value }) => [(key as Node).value as string, value as Node]),
  );
  const text = format.value as string;
  const literal = (piece: string): Node => ({ ...format, value: piece });
  if (/[{}]/.test(text.replace(PLACE, ""))) return undefined;
  let whole = literal("");
  let from = 0;
  let count = 0;
  const add = (piece: Node) => {
    whole = expression("left ~ right", { left: whole, right: piece });
  };
  for (const { 0: place, 1: name, index } of text.matchAll(PLACE)) {
    add(literal(text.slice(from, index)));
    from = index + place.length;
    if (name === undefined) {
      add(literal(place.slice(1)));
      continue;
    }
    const value = /^\d*$/.test(name) ? args[name === "" ? count++ : Number(name)] : named.get(name);
    if (value === undefined) return undefined;
    add(value);
  }
  add(literal(text.slice(from)));
  return whole;
}

/** Parses an expression, and replaces its names by the given nodes. */
function expression(source: string, names: Readonly<Record<string, Node>>): Node {
  const { body } = parse(tokenize(`{{ ${source} }}`)) as unknown as { body: Node[] };
  const fill = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(fill);
    if (!isNode(value)) return value;
    const known = value.type === "Identifier" ? names[value.value as string] : undefined;
    if (known !== undefined) return known;
    return Object.fromEntries(
      Object.entries(value).map(([field, inner]) => [
        field,
        isName(value, field) ? inner : fill(inner),
      ]),
    );
  };
  return fill(body[0]) as Node;
}

/** Whether a field is the name of a member or a test, not a variable. */
function isName({ type, computed }: Node, field: string): boolean {
  if (type === "MemberExpression") return field === "property" && computed !== true;
  return type === "TestExpression" && field === "test";
}
