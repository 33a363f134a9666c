/**
 * Finds the number that a text comes to when it doesn't say which one is its answer. As a reader would, it goes
 * back from the end to the last sentence that tells a result, takes the main clause of that sentence, and
 * chooses the number there that tells no circumstance. docs/grading.md has the rule in words.
 */
import { NUMBER } from "./numbers.js";

/** Patterns look at the end of a sentence only: at no more characters than these. */
const MAX_SENTENCE = 1000;
const SENTENCE_END = /(?<=[。！？।])|(?<=[.!?。！？।][)\]"'”’]?)\s+(?=[\p{Lu}\p{Lo}"'([*\d])|\n+/u;
const NUMBERS = new RegExp(NUMBER, "giu");

/** Words that announce a conclusion. */
export const CONCLUSION =
  /\b(?:so|thus|hence|therefore|consequently|in total|altogether|should be|must be|it's|it is|that's|that makes|correct)\b/iu;

/** Numbers that name something and count nothing: steps, dates, times, ordinals, items of a list. */
const NAMES = [
  /^[^\S\n]*(?:[-+•>][^\S\n]+)?(?:\d{1,3}[.)]|\(\d{1,3}\))(?=[^\S\n]+[^\s\d])/gmu,
  /\b(?:step|case|part|chapter|problem|example|equation|eq|figure|table|section|method)\.?[^\S\n]\(?\d{1,3}\b\)?/giu,
  /\bin[^\S\n]\d{1,2}[^\S\n](?:\p{L}+[^\S\n])?steps?\b/giu,
  /(?<![\d.,])\d{1,4}(?:st|nd|rd|th)\b/giu,
  /(?<![\d.,])\d{1,2}([./-])\d{1,2}\1(?:19|20)\d\d\b/gu,
  /(?<![\d.,:])\d{1,2}(?::[0-5]\d(?![\d:])(?:[^\S\n]?[ap]\.?m\b)?|[^\S\n]?[ap]\.?m\b)/giu,
  /\b(?:january|february|march|april|may|june|july|august|september|october|november|december)[^\S\n]\d{1,2}\b/giu,
  /\b(?:in|since|of|by|until|from|en|im jahr|im jahre)[^\S\n](?:19|20)\d\d\b(?![.,]?\d|[^\S\n]?\p{L})/giu,
];

/** The beginning of a check, or of an account of how the result came about. Both may take several sentences. */
const RECHECK =
  /^\P{L}*(?:(?:now|we|you|can|let['’]?s|let us|to|and|as|an?|quick|please|just|this|that|it|be)[,\s]+)*(?:(?:double|sanity|cross)[-\s]?check|check|verif(?:y|ied|ying|ication)|confirm|proof\b|explanation\b|reasoning\b|justification\b|breakdown\b|here['’]?s (?:how|why)\b|how (?:i|we)\b|reasons?:|key (?:points?|steps?|takeaways?|concepts?|ideas?)\b|vérification|überprüfung|probe\b|verificación|проверка|验证|验算|检验|检查|検算|확인)/iu;
/** A sentence that tells no result: a note, a reason, an offer of help, or the result in other units. */
const REMARK = new RegExp(
  String.raw`^\P{L}*(?:` +
    String.raw`(?:please\s)?note\b|n\.?b\b|remark|disclaimer|caveat|assum(?:ing|ption)|(?:this|the|my)\s(?:\p{L}+\s)?assumes|we assume|source|reference|for reference|confidence|difficulty|rating|fun fact|tip\b|hint\b|p\.?s\b` +
    String.raw`|let me know|i hope|hope (?:this|that)|good luck|have a (?:nice|great|good)|feel free|would you|do you|if you['’]?d?\b|happy to` +
    String.raw`|indeed|(?:this|that|it)\s(?:checks|matches|agrees|makes sense|works)` +
    String.raw`|(?:this|that|it)(?:['’]s|\sis|\swould be|\sequals|\scomes to)?\s(?:about|roughly|approximately|around|nearly|almost|equivalent|also|because|how|why|where|an?\s(?!total|sum)(?:\p{L}+\s?){2}|${NUMBER}\s?%?\s(?:\p{L}+\s)?(?:more|less|fewer|times|higher|lower|greater|short|over|under)\b)` +
    String.raw`|page\s\d+(?:\s(?:of|/)\s\d+)?\P{L}*$` +
    String.raw`)|\?\P{L}*$|^\s*\(.*\)[.!]?\s*$|^\s*\[.*\][.!]?\s*$`,
  "isu",
);

/** A sentence that begins with one of these words tells a result, even behind a check. */
const ANNOUNCED =
  /^\P{L}*(?:and\s)?(?:so|thus|hence|therefore|consequently|in conclusion|finally)\b/iu;
/** "On Saturday he worked 5 hours and on Sunday 7": the parts of what a sentence before has told. */
const PARTS =
  /^\P{L}*(?<place>on|in|at)\s(?:the\s)?\p{L}+[,\s](?!.*(?:=|\b(?:so|thus|hence|therefore|total|altogether|making|leaving)\b))\D*\d.*?\s(?:and|but)\s\k<place>\s(?:the\s)?\p{L}+[,\s]\D*\d/isu;

/** "Since 18 × 4 = 72, none is left over." */
const PREMISE = /^\P{L}*(?:since|because|as|given that)\s(?:[^,]|,(?=\d{3}))*,\s/iu;
/** "though it would be 20 otherwise". */
const CONCESSION = /,?\s(?:al)?though\s.*$/isu;

/** Parts of a sentence that say nothing about its result. They are left out where a number stands before them. */
const ASIDES = [
  /\s?\([^()]*\)/gu,
  new RegExp(
    String.raw`,?\s(?:which|that)\s(?:is|was)\s(?:${NUMBER}\s?%?\s?(?:\p{L}+\s){0,2}?(?:more|less|fewer|greater|higher|lower|times|percent|of|than)|(?:\p{L}+\s){0,2}?(?:more|less|fewer|greater|higher|lower)\sthan)\b.*$`,
    "isu",
  ),
  new RegExp(
    String.raw`,?\s(?:${NUMBER}\sof\s(?:which|whom|them)|or\s(?:about|approximately|roughly))\b.*$`,
    "isu",
  ),
  /,?\s(?:i\.e\.|that is),?\s(?=.*\d.*\sand\s.*\d).*$/isu,
  new RegExp(
    String.raw`,\s\p{Sc}?${NUMBER}\s(?:\p{L}+\s){0,2}?(?:more|less|fewer|higher|lower)\sthan\s.*$`,
    "isu",
  ),
  // "18 in all, 12 red and 6 blue".
  /(?<=\b(?:altogether|in total|in all|combined)),\s(?!.*\b(?:so|thus|hence|therefore|which|leaving|making)\b).*$/isu,
  // Reasons.
  /,?\s(?:because|since|given|assuming|as(?=\s(?:\d|(?:s?he|they|there|each|we|you|it)\b))|denn|weil|da|parce que|puisque|car|porque|pues|ya que|pois|perché|poiché|dato che|потому|так как|поскольку|omdat|want|bo|ponieważ|karena|çünkü)\s.*?(?=,?\s(?:so|thus|hence|therefore)\s|$)/isu,
  /[,，]\s?(?:因为|因為|なぜなら).*$/su,
];
/** Conditions, means and purposes. They are left out in the same way, unless a main clause follows them. */
const SUBORDINATES = [
  /(?<=\d.*),?\s(?:when|if|after|before|until|while|whereas|by \p{L}+ing|to (?!get|make|give|obtain|find|yield|equal)(?=\p{L}{2})\p{L}+|en \p{L}+ant|indem|nachdem|wenn)\s.*$/isu,
  /才能.*$/su,
  /\s(?!quedando|restando|sobrando|dejando|ficando|dando|sumando|somando)\p{L}{2,}(?:iendo|[aei]ndo)\s.*$/isu,
];
/** A main clause behind what would be cut off: "because the 9 eggs cost $2 each, she makes $18". */
const PREDICATE =
  /(?<!\b(?:that|which|who)\s)\b(?:is|are|was|were|will|would|equals?|has|have|had|gets?|makes?|needs?|costs?|leaves?|earns?|pays?)\s(?:[^\d\n]*\s)?\p{Sc}?\d|=/iu;

/** The beginning of a sentence's last clause: "so she has", "leaving him", "that is 18", "for a total of". */
const LAST_CLAUSE = new RegExp(
  String.raw`(?<!\p{L})(?:so(?!\s(?:far|many|much)\b)|thus|hence|therefore|leaving|making|giving|yielding|totall?ing|for a total of|namely|i\.e\.|(?:which|that)\s(?:leaves|gives|makes|means|totals|equals|comes to|brings)|(?:which|that)\sis(?=\s(?:(?:only|just|exactly|about|a total of)\s)?${NUMBER}))(?!\p{L})`,
  "giu",
);

/** Words between a preposition and its number. */
const DETERMINERS = String.raw`(?:(?:the|a|an|all|every|each|his|her|its|their|our|my|your|these|those|only|just|first|last|next|other|original|initial|same|at least|about|\p{L}+ing)\s){0,3}`;
/** The place of "of" in "18 of the 24" and "half of the 36". In "a total of 18" the number is the total itself. */
const PARTITIVE = String.raw`(?<=(?:\d[.,\d]*\s?[%\p{Sc}]?\s?|\b(?:half|third|quarter|each|all|most)\s)(?:[\p{L}'\u2019]+\s){0,3})`;
const PREPOSITION = [
  `${PARTITIVE}of`,
  String.raw`(?<!result(?:s|ed|ing)?\s)in`,
  String.raw`(?<!(?:left|up|ends?|ended|stays?|remains?)\s)with`,
  "(?:out|instead|ahead|short) of|rather than|compared (?:to|with)|than|against|versus|vs",
  "from|off|by|at|per|for|on|over|under|below|above|across|every|among|amongst|between",
  "within|during|after|before|until|till",
  String.raw`to (?!get|make|give|obtain|find|yield|equal)\p{L}{2,}`,
].join("|");
/** The same in Germanic, Romance and Slavic languages and Indonesian. Up to three words may precede the number. */
const FOREIGN_PREPOSITION = [
  "für|von|aus|nach|vor|um|bei|mit|zu|während|voor|van|na|met|om|för|för att|av|af|efter|på",
  "pour|sur|parmi|après|dans|avec|para|por|en|con|entre|tras|sobre|después|antes|avant|prima|depois|após|em|com|per|su|dopo|tra|da|dalle",
  "чтобы|для|из|за|в|на|с|после|по|от|через|з|із|після|щоб|z|ze|w|po|dla|aby|żeby|dari|dalam|untuk|setelah|dengan",
  String.raw`(?<=\d[.,\d]*\s?\p{Sc}?\s?(?:\p{L}+\s)?)(?:de|di|des|du|dei|delle|das|dos)`,
].join("|");
/** The words before a number that tells a circumstance: "in 3 hours", "at $2", "for 9 eggs", "para leer las 360". */
const CIRCUMSTANCE = new RegExp(
  String.raw`(?<!\p{L})(?:(?:${PREPOSITION})\s${DETERMINERS}|(?:${FOREIGN_PREPOSITION}),?\s(?!(?:\p{L}+\s){0,2}total)(?:\p{L}+\s){0,3})$`,
  "iu",
);
/** In "sells 9 eggs for $18" the price is the result, unless the clause names money before it. */
const FOR = /(?<!\p{L})(?:for|für|voor|pour|para|por|per|за)\s(?:the\s|only\s|just\s)?$/iu;
const MONEY = /\p{Sc}|^\s?(?:dollars?|cents?|euros?|pounds?|rupees?|yuan|yen|pesos?)\b/iu;
/** "The 5 workers", "year 3": the problem gives such a number, or the number is a name. */
const GIVEN =
  /(?<!\p{L})(?:the|his|her|their|its|my|our|these|those|day|week|month|year|quarter|grade|page|round|level)\s$/iu;
/** A preposition is looked for in so many characters before its number. */
const MAX_PREPOSITION = 60;

/** Arithmetic between numbers, which is no result yet; a fraction is one. */
export const ARITHMETIC =
  /\d\s*(?:[-+*×÷·]|\\(?:times|cdot|div)(?![A-Za-z])|plus\b|minus\b|times\b|divided by\b)\s*\p{Sc}?\s*[\d.]/u;

/** "20 birds minus 8 birds": a calculation alone, without its result. */
const UNWORKED = new RegExp(
  String.raw`^\P{L}*${NUMBER}(?:\s\p{L}+)?\s?(?:[-+*/×÷]|plus|minus|times|divided by)\s?${NUMBER}(?:\s\p{L}+)?[.]?$`,
  "iu",
);

/** The side of `9 * 2 = 18` and `18 = 9 * 2` that is a number. */
export function resultOf(equation: string): string {
  const sides = equation.split("=");
  return sides.findLast((side) => /\d/.test(side) && !ARITHMETIC.test(side)) ?? sides.at(-1) ?? "";
}

export function numbersIn(text: string): string[] {
  return text.match(NUMBERS) ?? [];
}

/** The last sentence of a text that has a digit. A very long one is cut to its end. */
export function lastCounting(text: string): string {
  return text.split(SENTENCE_END).findLast(hasDigit)?.slice(-MAX_SENTENCE) ?? "";
}

/** The number that the last sentence with a result comes to. */
export function concludedNumber(text: string): string | undefined {
  const sentence = lastResult(withoutNames(text)) || lastCounting(text);
  return mainNumber(lastClause(withoutAsides(sentence)));
}

/** The last sentence that has a number and tells a result. */
export function lastResult(text: string): string {
  let last = "";
  let isRechecking = false;
  for (const whole of text.split(SENTENCE_END)) {
    let sentence = whole.slice(-MAX_SENTENCE);
    if (last !== "") {
      isRechecking = (isRechecking || RECHECK.test(sentence)) && !ANNOUNCED.test(sentence);
      sentence = sentence.replace(PREMISE, "").replace(CONCESSION, "");
      if (isRechecking || REMARK.test(sentence) || PARTS.test(sentence)) continue;
    }
    if (hasDigit(sentence) && !(last !== "" && UNWORKED.test(sentence))) last = sentence;
  }
  return last;
}

function withoutNames(text: string): string {
  return NAMES.reduce((rest, name) => rest.replace(name, ""), text);
}

function withoutAsides(sentence: string): string {
  const stated = ASIDES.reduce((rest, aside) => cut(rest, aside, () => true), sentence);
  return SUBORDINATES.reduce(
    (rest, one) => cut(rest, one, (part) => !PREDICATE.test(part)),
    stated,
  );
}

/** The text without what the pattern finds behind a number. */
function cut(text: string, pattern: RegExp, isCut: (part: string) => boolean): string {
  return text.replace(pattern, (part, ...found) => {
    const at = found.find((one) => typeof one === "number");
    return hasDigit(text.slice(0, at)) && isCut(part) ? "" : part;
  });
}

/** What stands behind the last "so" and the like, or the colon, where that has a number. */
function lastClause(sentence: string): string {
  const from = [...sentence.matchAll(LAST_CLAUSE)].findLast(({ index }) =>
    hasDigit(sentence.slice(index)),
  )?.index;
  const clause = sentence.slice(from ?? 0);
  const colon = clause.lastIndexOf(": ");
  if (colon < 0) return clause;
  const [before, behind] = [clause.slice(0, colon), clause.slice(colon + 1)];
  const isResult =
    behind.includes("=") || (numbersIn(behind).length === 1 && !ARITHMETIC.test(behind));
  return isResult || !hasDigit(before) ? behind : before;
}

/** The last number that tells no circumstance. Where all do, the first one that doesn't begin the clause. */
function mainNumber(clause: string): string | undefined {
  const result = resultOf(clause);
  const found = [...result.matchAll(NUMBERS)].map(({ 0: number, index }) => {
    const before = result.slice(Math.max(0, index - MAX_PREPOSITION), index);
    return { number, index, before, behind: result.slice(index + number.length) };
  });
  const isMoney = (one: { number: string; behind: string }) =>
    MONEY.test(one.number) || MONEY.test(one.behind.slice(0, 10));
  const main = found.findLast((one, i) => {
    const isPrice = FOR.test(one.before) && isMoney(one) && !found.slice(0, i).some(isMoney);
    return isPrice || !(CIRCUMSTANCE.test(one.before) || GIVEN.test(one.before));
  });
  if (main !== undefined) return main.number;
  const [first, ...more] = found;
  return (
    (/^\P{L}*\p{L}+\s\P{L}*$/u.test(first?.before ?? "") ? more.at(-1) : first)?.number ??
    first?.number
  );
}

function hasDigit(text: string): boolean {
  return /\p{Nd}/u.test(text);
}
