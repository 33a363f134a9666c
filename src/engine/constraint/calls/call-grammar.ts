/**
 * Makes the grammar of a template's tool calls from llama.cpp's own grammar, which knows how each template
 * writes calls. Its rules for arguments are partly wrong (docs/constraints.md). So llama.cpp is asked for
 * stand-in tools instead of the real ones, and its rules for their arguments are replaced.
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

/** The properties of a tool that the grammar needs. */
export interface CalledTool {
  name: string;
  /** Names of its parameters; the required ones come first. */
  parameters: readonly string[];
  required: readonly string[];
}

/** Compiles the grammars of arguments. */
export interface ArgumentTexts {
  /** The texts of all arguments of a tool, as one JSON object. */
  object(tool: number): Promise<Grammar>;
  /** The texts of one parameter that is written between its own tags; `tail` is the text after it. */
  parameter(tool: number, name: string, tail: string): Promise<{ rules: Grammar; isText: boolean }>;
}

/** The grammar of calls, and the forms by which calls are found in texts. */
export interface Calls {
  /** The grammar. Its `root` is one call or several. */
  rules: Grammar;
  forms: CallForm[];
}

const aliasOf = (tool: number) => `ets-tool-${tool}-x`;
const argumentAlias = (tool: number, argument: number) => `ets-arg-${tool}-${argument}-x`;
/** The schema of stand-in parameters: llama.cpp writes a separate rule for it, and it is no text. */
const MARK = { type: "array", items: { type: "null" }, maxItems: 3 };

/**
 * The stand-in tools for requests to llama.cpp.
 *
 * @param fills whether a tool without parameters gets one, so that its arguments have a rule
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

/** Whether the grammar writes the arguments of all tools as JSON objects. */
export function hasObjects(rules: Grammar, tools: readonly CalledTool[]): boolean {
  return tools.every((_, i) => rules.has(`tool-${aliasOf(i)}-schema`));
}

/**
 * Makes the grammar of calls, and the forms by which calls are found in texts.
 *
 * @param given llama.cpp's grammar for the stand-in tools
 * @param dropped texts of special tokens that don't appear in the text of an answer
 * @throws LlamaEtsError `ERR_CONSTRAINT` if the form of the calls is unknown
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

/** Replaces the rule for a tool's arguments, which are one JSON object. */
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

/** Replaces the rules for a tool's arguments, which are between tags. */
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

/** Replaces a rule by another grammar, whose rules get the prefix `name`. */
function graft(rules: Grammar, name: string, other: Grammar): void {
  const nameOf = (inner: string) => (inner === "root" ? name : `${name}-${inner}`);
  for (const [inner, body] of other) {
    rules.set(
      nameOf(inner),
      mapped(body, (each) => (each.type === "rule" ? rule(nameOf(each.name)) : each)),
    );
  }
}

/** The text that follows a rule in an expression; undefined if there is none. */
function tailOf(expression: Expression | undefined, name: string): string | undefined {
  if (expression?.type !== "sequence") return undefined;
  const at = expression.parts.findIndex((part) => part.type === "rule" && part.name === name);
  const next = at < 0 ? undefined : expression.parts[at + 1];
  return next?.type === "text" ? next.text : undefined;
}

/** Patterns of the text before a rule, for each place where the rule is used. */
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

/** Replaces the stand-in names in an expression by the real names. */
function renamed(expression: Expression, tools: readonly CalledTool[]): Expression {
  return mapped(expression, (each) => {
    if (each.type !== "text" || !each.text.includes("ets-")) return each;
    return text(realNames(each.text, tools));
  });
}

/** Replaces the stand-in names in a text by the real names. */
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

/** Removes the dropped texts from a text. */
export function withoutTexts(written: string, dropped: readonly string[]): string {
  return dropped.reduce((text, each) => text.replaceAll(each, ""), written);
}

/**
 * Allows free text before the calls, and answers without calls.
 *
 * @param marks the texts with which calls begin; free text can't contain them
 */
export function withFreeText({ rules, forms }: Calls, marks: readonly string[]): Calls {
  const free = textsWithout(marks, "free");
  const all: Grammar = new Map([["root", NEVER], ...rules, ...free]);
  all.set("calls", rules.get("root") ?? NEVER);
  all.set("root", sequence(rule("free-0"), optional(rule("calls"))));
  return { rules: all, forms };
}

/** Example texts of calls of one tool: the shortest one, and one with all arguments. */
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
