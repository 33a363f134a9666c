/** How texts name one of the lettered options, by the number of options. */
import { STATEMENT } from "./statements.js";
import { LETTERS } from "./task.js";

/** Where a word ends: texts in Chinese or Japanese have no spaces around a letter. */
const WORD = String.raw`[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\d]`;
const START = `(?<!${WORD}['-]?)`;
const END = `(?![-']?${WORD})`;
const NOUN =
  "(?:[Aa]nswer|ANSWER|[Oo]ption|OPTION|[Cc]hoice|CHOICE|[Oo]pci[oó]n|[Oo]pção|[Oo]pzione|[Aa]lternativa|[Ll]etra|[Ll]ettre|[Ll]ettera|[Aa]ntwort|[Вв]ариант|选项|選項|選択肢)";
const IS = String.raw`(?:is|IS|must\s+be|should\s+be|would\s+be|will\s+be|remains|seems|to\s+be)`;
const TRUE = `(?:correct|right|best|true|${NOUN})`;

/** A box that names a letter, with what may stand around it. */
export const BOXED = new RegExp(
  String.raw`^\s*(?:(?:the\s+)?${NOUN}(?:\s+is)?\s*:?\s*)*\(?([A-Za-z])\)?\s*(?:[.):,(](?!\s*\(?[A-Z]\)?\s*$).*)?$`,
  "s",
);

function patternsTo(last: string) {
  const [ANY, SMALL] = [`[A-${last}]`, `[a-${last.toLowerCase()}]`];
  /** The letter, in brackets or not; a second one beside it makes it none. */
  const ONE = String.raw`(?:\(\s?)?(${ANY})(?:\s?\))?${END}(?!\s*(?:or|and|&|/)\s*\(?${ANY}\)?${END})`;
  /** A small letter too, where it can't be the article. */
  const EITHER = String.raw`(?:${ONE}|\(?(${SMALL})(?:\)|(?=[.,:;])|(?=\s*(?:$|\n))))`;
  /** "A", "A and B", "(A), (B), and (C)". */
  const SOME = String.raw`${START}\(?${ANY}\)?(?:\s*,?\s*(?:and|or|nor|,|&)\s*\(?${ANY}\)?){0,25}`;
  const all = (...sources: string[]) => sources.map((source) => new RegExp(source, "gu"));
  return {
    /** Each says which letter is the answer; the one that stands last in the text counts. */
    statements: all(
      String.raw`(?:${STATEMENT})\s*(?:${NOUN}\s+)?["'“]?${EITHER}`,
      String.raw`${START}${NOUN}(?:\s+${IS}:?|\s*[:=\u2014\u2013-])\s*(?:${NOUN}\s+)?${EITHER}`,
      String.raw`${START}${ONE}\s+${IS}\s+(?:the\s+|my\s+|our\s+|most\s+|clearly\s+)*${TRUE}`,
      String.raw`${START}${NOUN}\s+\(?(${SMALL})\)?\s+${IS}\s+(?:the\s+)?${TRUE}`,
      String.raw`\b(?:[Gg]o(?:ing)?\s+(?:with|for)|[Cc]hoose|[Cc]hose|[Pp]ick|[Pp]icked|[Ss]elect|[Ss]elected|must\s+be)\s+(?:${NOUN}\s+)?${ONE}`,
      String.raw`\b(?:[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore)\b[,:]?\s+(?:it\s+is\s+|it's\s+)?${ONE}(?=[.!]?\s*(?:$|\n))`,
      String.raw`\b[Ii]t(?:\s+is|'s|\s+should\s+be|\s+has\s+to\s+be)\s+(?:${NOUN}\s+)?${ONE}(?=\s*(?:[.!]|$|\n))`,
      String.raw`${START}${ONE}\s+it\s+is\b`,
      String.raw`\b[Mm]akes\s+${ONE}\s+(?:the|my|our)\s+(?:\p{Ll}+\s+)?${TRUE}`,
      String.raw`${START}${ONE}\s+(?:holds|follows|wins|applies|stands|works)(?=[.!]?\s*(?:$|\n))`,
      String.raw`${START}${ONE}\s+(?:es|é|è|est|ist)\s+(?:la\s+|le\s+|die\s+|a\s+)?(?:correct|corrett|corret|richtig|bonne|juste|respuesta|resposta|risposta)`,
      String.raw`\b(?:[Aa]ctually|[Ww]ait|[Nn]o|[Cc]orrection|[Rr]ather|I\s+meant?)\s*(?:[,:;\u2013\u2014]|(?<=meant?))\s*(?:it(?:\s+is|'s)\s+)?${ONE}(?=[.!]?\s*(?:$|\n))`,
      String.raw`\bI(?:'d|'ll|\s+would|\s+will)?\s+(?:think|believe|say|guess|suspect|answer|vote)\s+(?:that\s+|for\s+)?(?:it(?:\s+is|'s)\s+)?${ONE}(?=[.,;!]|\s*(?:$|\n)|\s+(?:because|since|as|over)\b)`,
      String.raw`${START}\(?(${ANY})(?:\)|\s*[:.)])\s*(?:[Yy]es|[Cc]orrect|[Tt]rue|[Rr]ight)\b`,
      String.raw`(?:^|\n)[^\p{L}\n]{0,9}(?:${NOUN}\s+)?${ONE}[^\n]*[\u2705\u2713\u2714\u2611]`,
    ),
    /** The same of what is compared with the others. */
    preferences: all(
      String.raw`${START}${NOUN}\s+${EITHER}`,
      String.raw`${START}${ONE}\s+(?:is|seems|looks|appears)\s+(?:to\s+be\s+)?(?:the\s+|our\s+)?(?:only|one|most|best|better|likelier|more|closest|nearest)\b`,
      String.raw`\b[Oo]nly\s+(?:${NOUN}\s+)?${ONE}`,
      String.raw`${START}${ONE}\s+(?:matches|fits|agrees|satisfies|describes|explains)\b[^.\n]*\b(?:best|better|only|all)\b`,
      String.raw`\b(?:leaves|leaving|closest\s+(?:is|to))\s+(?:us\s+with\s+)?(?:only\s+)?(?:${NOUN}\s+)?${ONE}`,
    ),
    /** Each says which letters are not. */
    denials: all(
      String.raw`${SOME}\s+(?:is|are)\s+(?:all\s+|both\s+|clearly\s+|also\s+)?(?:wrong|incorrect|false|not|impossible|ruled\s+out|eliminated|too\s+\p{Ll}+)`,
      String.raw`${SOME}\s+can\s+(?:all\s+)?be\s+(?:ruled\s+out|eliminated|excluded|discarded|dismissed)`,
      String.raw`${SOME}\s+(?:fails?|violates?|contradicts?|ignores?|cannot|can't|makes?\s+no\s+sense|does(?:n't|\s+not)|do(?:n't|\s+not))${END}`,
      String.raw`\b(?:[Nn]ot?|[Nn]either|isn't|can't\s+be|cannot\s+be|[Ee]liminates?|[Ee]xcludes?|[Rr]ules?\s+out)[^\S\n]+(?:${NOUN}\s+)?${SOME}${END}`,
      String.raw`\b[Nn]one\s+(?:of\s+(?:the\s+)?\p{L}+\s+(?:is|are|equals?|match(?:es)?|gives?)|(?:is|are|equals?|match(?:es)?|gives?)|of)\s+(?:${NOUN}\s+)?${SOME}${END}`,
      String.raw`\b(?:[Rr]ather\s+than|[Ii]nstead\s+of|[Uu]nlike)\s+[^.,;\n]{0,60}?\((?:${NOUN}\s+)?${ANY}\)`,
      String.raw`${START}\(?${ANY}(?:\)|\s*[:.)])\s*(?:[Nn]o|[Ww]rong|[Ff]alse|[Ii]ncorrect)\b`,
      String.raw`(?:^|\n)[^\p{L}\n]{0,9}(?:${NOUN}\s+)?\(?${ANY}\)?${END}[^\n]*[\u274c\u2717\u2718\u2716]`,
    ),
    /** Those that the text can't choose between, or only lists. */
    undecided: new RegExp(
      String.raw`(?:${STATEMENT})\s*\(?${ANY}\)?(?:\s*(?:,|and|&|/)\s*\(?${ANY}\)?){1,25}${END}|\b(?:[Ee]valuate|[Cc]onsider|[Ee]xamine|[Aa]naly[sz]e|[Cc]heck|[Cc]ompare|[Ll]ook\s+at|[Ss]tart\s+with)\s+(?:${NOUN}\s+)?${SOME}${END}|${START}\(?${ANY}\)?(?:\s*,\s*\(?${ANY}\)?){1,25}\s*,?\s*(?:and|or)\s+\(?${ANY}\)?${END}|${START}\(?${ANY}\)?\s+or\s+\(?${ANY}\)?${END}|\b[Bb]etween\s+\(?${ANY}\)?\s+and\s+\(?${ANY}\)?${END}|${START}\(?${ANY}\)?(?:\s*,\s*\(?${ANY}\)?){2,25}${END}`,
      "gu",
    ),
    /** "All but C are wrong." */
    excepted: new RegExp(
      String.raw`\b(?:[Aa]ll|[Ee]verything|[Ee]ach|[Ee]very\s+(?:${NOUN}|one))\s+(?:of\s+them\s+)?(?:but|except(?:\s+for)?|besides|other\s+than)\s+(?:${NOUN}\s+)?${ONE}\s+(?:is|are|can|fails?)\b`,
      "gu",
    ),
    letters: new RegExp(`${START}${ANY}${END}`, "gu"),
    /** A box that names several letters, and so settles on none. */
    severalBoxed: new RegExp(String.raw`^\(?${ANY}\)?(?:\s*(?:,|and|or|&|/)+\s*\(?${ANY}\)?)+$`),
    alone: new RegExp(String.raw`^\(?(${ANY}|${SMALL})\)?[.):]?$`),
    inBrackets: new RegExp(String.raw`\((${ANY})\)`, "g"),
    /** A line that begins with a letter. */
    first: new RegExp(
      String.raw`^[-:(]?[^\S\n]*(?:[Oo]ption\s+)?((?:${ANY}|${SMALL})(?=\))|${ANY})(?:[).:]|\s*$|\s+(?=\p{Lu})|\s+(?=[-\u2013\u2014]\s(?!${ANY}${END})))\s*(.*)$`,
      "gmu",
    ),
    /** A capital by itself: no article, no "I", no unit behind a number, no name in a formula. */
    standalone: new RegExp(
      String.raw`${START}(?<!\d\s|[=^+*/\u00b1\u2213]\s?)(${ANY})${END}(?!\s+\p{Ll}|\s*[=^+*/\u00b1\u2213]|\s-\s)`,
      "gu",
    ),
    afterColon: new RegExp(String.raw`:\s*(${ANY})`, "g"),
  };
}

export type Patterns = ReturnType<typeof patternsTo>;

const patterns = new Map<number, Patterns>();

/** By the number of options: those of the item, or as many as the task's items have. */
export function patternsOf(count: number): Patterns {
  const known = patterns.get(count) ?? patternsTo(LETTERS[count - 1] ?? "Z");
  patterns.set(count, known);
  return known;
}
