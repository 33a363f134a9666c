/**
 * The grammar of a template's tool calls, made of llama.cpp's own: it knows how each template writes
 * calls. Of arguments its grammars say things that aren't so (docs/constraints.md), so that it is asked
 * for tools that stand in for the real ones, and what it says of their arguments is replaced.
 */
import { rulesThatEnd } from "../check-rules.js";
import {
  type Expression,
  type Grammar,
  mapped,
  NEVER,
  optional,
  rule,
  sequence,
  text,
} from "../expression.js";
import { textsWithout } from "../free-text.js";
import { pruned } from "../pruned.js";
import { shortestTexts } from "../shortest.js";
import type { CallForm } from "./call-form.js";
import { patternOf } from "./pattern.js";
import { closedAtOnce, inOrder, repeatedCalls, someOf, strictly, unknownForm } from "./repairs.js";

/** What the grammar needs to know of a tool. */
export interface CalledTool {
  name: string;
  /** Names of its parameters, those that are required first. */
  parameters: readonly string[];
  required: readonly string[];
}

/** The texts of arguments. */
export interface ArgumentTexts {
  /** The texts of all arguments of a tool, as one JSON object. */
  object(tool: number): Promise<Grammar>;
  /** The texts of one parameter that stands by itself, in front of `tail`. */
  parameter(tool: number, name: string, tail: string): Promise<{ rules: Grammar; isText: boolean }>;
}

export interface Calls {
  /** Its `root` is one call or several. */
  rules: Grammar;
  forms: CallForm[];
}

const aliasOf = (tool: number) => `ets-tool-${tool}-x`;
const argumentAlias = (tool: number, argument: number) => `ets-arg-${tool}-${argument}-x`;
/** A parameter of this kind has a rule of its own, and is no text. */
const MARK = { type: "array", items: { type: "null" }, maxItems: 3 };

/**
 * The tools that llama.cpp is asked about.
 *
 * @param fills whether one without parameters is given one: its arguments have a rule then
 */
export function standIns(tools: readonly CalledTool[], fills: boolean): object[] {
  return tools.map(({ parameters, required }, i) => {
    const names = parameters.length === 0 && fills ? [""] : parameters;
    const alias = (name: string) => argumentAlias(i, names.indexOf(name));
    return {
      type: "function",
      function: {
        name: aliasOf(i),
        description: "",
        parameters: {
          type: "object",
          properties: Object.fromEntries(names.map((name) => [alias(name), MARK])),
          required: required.map(alias),
        },
      },
    };
  });
}

/** Whether the arguments of all tools are JSON objects in a grammar. */
export function hasObjects(rules: Grammar, tools: readonly CalledTool[]): boolean {
  return tools.every((_, i) => rules.has(`tool-${aliasOf(i)}-schema`));
}

/**
 * @param given llama.cpp's for the tools that stand in
 * @param dropped special tokens that stand in no text
 * @throws LlamaEtsError `ERR_CONSTRAINT` for a form that isn't known
 */
export async function callGrammar(
  given: Grammar,
  tools: readonly CalledTool[],
  texts: ArgumentTexts,
  dropped: readonly string[],
): Promise<Calls> {
  const rules: Grammar = new Map(given);
  rules.set("root", someOf(repeatedCalls(rules), rules));
  for (const [name, body] of rules) rules.set(name, mapped(body, strictly));
  const isNamed = hasObjects(rules, tools);
  if (!isNamed) for (const [name, body] of rules) rules.set(name, closedAtOnce(body));
  const readers: (() => CallForm)[] = [];
  for (const [i, tool] of tools.entries()) {
    readers.push(
      isNamed
        ? await withObject(rules, i, texts, dropped)
        : await withTagged(rules, i, tool, texts, dropped),
    );
  }
  for (const [name, body] of rules) rules.set(name, renamed(body, tools));
  const ending = rulesThatEnd(rules);
  return {
    rules: pruned(rules, ending),
    forms: readers.map((read, i) => ({ ...read(), name: tools[i]?.name ?? "" })),
  };
}

/** All arguments in one object. */
async function withObject(
  rules: Grammar,
  tool: number,
  texts: ArgumentTexts,
  dropped: readonly string[],
): Promise<() => CallForm> {
  const name = `tool-${aliasOf(tool)}-schema`;
  graft(rules, name, await texts.object(tool));
  return () => ({ name: "", heads: headsOf(rules, name, dropped), tagged: null });
}

/** Each argument between tags. */
async function withTagged(
  rules: Grammar,
  tool: number,
  { parameters }: CalledTool,
  texts: ArgumentTexts,
  dropped: readonly string[],
): Promise<() => CallForm> {
  const callName = `tool-${aliasOf(tool)}`;
  const call = rules.get(callName);
  if (call === undefined) throw unknownForm();
  rules.set(callName, inOrder(call, `${callName}-arg-`));
  const tagged: (() => NonNullable<CallForm["tagged"]>[number])[] = [];
  for (const [j, name] of parameters.entries()) {
    const inner = `${callName}-arg-${argumentAlias(tool, j)}-schema`;
    const outer = rules.get(inner.slice(0, -"-schema".length));
    const tail = tailOf(outer, inner);
    if (tail === undefined) throw unknownForm();
    const { rules: values, isText } = await texts.parameter(tool, name, tail);
    graft(rules, inner, values);
    const written = withoutTexts(tail, dropped);
    tagged.push(() => ({ name, heads: headsOf(rules, inner, dropped), tail: written, isText }));
  }
  return () => {
    const first = leadingText(rules.get(callName));
    const heads = first === undefined ? [] : [patternOf(text(first), rules, dropped)];
    return { name: "", heads, tagged: tagged.map((read) => read()) };
  };
}

/** Puts the rules of another grammar in the place of a rule. */
function graft(rules: Grammar, name: string, other: Grammar): void {
  const nameOf = (inner: string) => (inner === "root" ? name : `${name}-${inner}`);
  for (const [inner, body] of other) {
    rules.set(
      nameOf(inner),
      mapped(body, (each) => (each.type === "rule" ? rule(nameOf(each.name)) : each)),
    );
  }
}

/** The text that follows a rule in an expression; undefined where none does. */
function tailOf(expression: Expression | undefined, name: string): string | undefined {
  if (expression?.type !== "sequence") return undefined;
  const at = expression.parts.findIndex((part) => part.type === "rule" && part.name === name);
  const next = at < 0 ? undefined : expression.parts[at + 1];
  return next?.type === "text" ? next.text : undefined;
}

/** Patterns of what stands before a rule, wherever it is used. */
function headsOf(rules: Grammar, name: string, dropped: readonly string[]): string[] {
  const heads = new Set<string>();
  for (const body of rules.values()) {
    mapped(body, (each) => {
      if (each.type !== "sequence") return each;
      const at = each.parts.findIndex((part) => part.type === "rule" && part.name === name);
      if (at > 0) heads.add(patternOf(sequence(...each.parts.slice(0, at)), rules, dropped));
      return each;
    });
  }
  return [...heads];
}

function leadingText(expression: Expression | undefined): string | undefined {
  if (expression?.type === "text") return expression.text;
  const [first] = expression?.type === "sequence" ? expression.parts : [];
  return first?.type === "text" ? first.text : undefined;
}

/** With the real names in the place of those that stood in for them. */
function renamed(expression: Expression, tools: readonly CalledTool[]): Expression {
  return mapped(expression, (each) => {
    if (each.type !== "text" || !each.text.includes("ets-")) return each;
    return text(realNames(each.text, tools));
  });
}

export function realNames(written: string, tools: readonly CalledTool[]): string {
  return tools.reduce(
    (all, { name, parameters }, i) =>
      parameters.reduce(
        (some, parameter, j) => some.replaceAll(argumentAlias(i, j), () => parameter),
        all.replaceAll(aliasOf(i), () => name),
      ),
    written,
  );
}

/** The same text without what stands in no text. */
export function withoutTexts(written: string, dropped: readonly string[]): string {
  return dropped.reduce((text, each) => text.replaceAll(each, ""), written);
}

/**
 * Texts that may make calls: free until one begins.
 *
 * @param marks texts with which calls begin, and which stand nowhere else
 */
export function withFreeText({ rules, forms }: Calls, marks: readonly string[]): Calls {
  const free = textsWithout(marks, "free");
  const all: Grammar = new Map([["root", NEVER], ...rules, ...free]);
  all.set("calls", rules.get("root") ?? NEVER);
  all.set("root", sequence(rule("free-0"), optional(rule("calls"))));
  return { rules: all, forms };
}

/** Calls of one tool alone: the shortest one, and one with all arguments. */
export function exampleCalls({ rules, forms }: Calls, tool: number): string[] {
  const alone: Grammar = new Map(rules);
  for (const i of forms.keys()) {
    if (i === tool) continue;
    for (const name of [`tool-${aliasOf(i)}`, `tool-${aliasOf(i)}-schema`]) alone.set(name, NEVER);
  }
  const name = `tool-${aliasOf(tool)}`;
  const all: Grammar = new Map(alone);
  const required = (part: Expression) =>
    part.type === "repeat" && part.min === 0 && part.max === 1 ? part.of : part;
  all.set(name, mapped(all.get(name) ?? NEVER, required));
  const texts = [alone, all].map((each) => shortestTexts(each).get("root") ?? "");
  return [...new Set(texts)];
}
