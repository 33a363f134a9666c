/** Where a text says what the answer is: "the answer is", "Answer:", `<answer>`, in many languages. */

/** "Answer" where words have spaces between them, what may stand behind it, and the copula. */
const NOUN =
  "answer|antwort|réponse|respuesta|resposta|risposta|antwoord|odpowiedź|cevap|svaret|jawabannya|jawaban|đáp án|ответ|відповідь";
const ADJECTIVE = "correcte?|correcta|correta|corretta|finale?|richtige?|prawidłowa|benar";
const COPULA = "is|would be|should be|must be|will be|equals|ist|lautet|est|es|é|è|är|er|adalah|là";
/** With a first letter of either case. */
const NOUNS = NOUN.replace(/(?<=^|\|)\p{Ll}/gu, (first) => `[${first}${first.toUpperCase()}]`);
/** "Answer" where no space need stand behind it, or the copula stands behind the answer. */
const NOUN_ALONE = "答案|答え|正解|回答|정답|답|الإجابة|الجواب|उत्तर|উত্তর|คำตอบ";
const COPULA_ALONE = "是|为|為|は|은|는|هي|هو|है|হল|হলো|คือ";
const ARTICLE = "(?:la|le|die|der|das|el|o|a)";
const ADVERB =
  "(?:therefore|thus|then|hence|simply|just|donc|alors|also|daher|somit|entonces|pues|portanto|então|quindi|dunque)";

/** What is called correct or final is the answer, too. */
const RESULT =
  "total|result|amount|number|value|figure|cost|price|sum|count|profit|product|solution|expression|probability|choice|option|statement";

/**
 * The end of each match is where an answer may begin. The noun alone on its line is a heading, whose answer
 * stands below.
 */
export const STATEMENT = String.raw`<answer>|(?:[Rr]esult|[Aa]ns|[Ff]inal)(?<=(?:^|\n)[^\p{L}\d\n]{0,9}\p{L}+)\s*\.?[:=]|(?<!\p{L})(?:[Cc]orrect(?:ed)?|[Ff]inal|[Aa]ctual)\s+(?:${RESULT})\s+(?:is|would be|should be|equals|comes\s+to)(?!\p{L})|(?<!\p{L})(?:${NOUNS}|ANSWER)(?!\p{L})(?:\s+(?:${ADJECTIVE}))?["'”]?\s*(?:(?<=\s)(?:${COPULA})(?!\p{L})(?:\s+${ADVERB}(?!\p{L}))?(?:\s+${ARTICLE}(?=\s))?(?:\s*[:：])?|[:：=]|\n)|(?:${NOUN_ALONE}|${NOUN_ALONE.normalize("NFKC")})["'”]?\s*(?:${COPULA_ALONE})?\s*[:：=]?`;

const REFUSAL =
  /\b(?:can(?:no|')t|cannot|can not|unable to|not able to|impossible to|not possible to)\s+(?:be\s+)?(?:solved?|answer(?:ed)?|determined?|computed?|calculated?)\b|\b(?:not enough|insufficient)\s+(?:information|data)\b|\b(?:(?:impossible|not possible) to|(?:i|we|one) (?:can(?:no|')t|cannot|can not))\s+(?:say|tell|know|decide|choose)\b(?!\s(?:you|him|her|them|us|me|enough)\b)/iu;

/** Whether a text says that it has no answer. */
export function isRefusal(text: string): boolean {
  return REFUSAL.test(text);
}

/** Where a statement of the answer ends, if the line goes on. */
const CLAUSE_END =
  /(?<!\b(?:approx|no|vs|Rs|i\.e|e\.g))[.;!?](?=\s|$)|[。！？।；]|,?\s(?:because|since|as|which|where|after|if|denn|weil|car|soit|porque|pues|perché|потому|так как)\s|[，,]\s*(?:因为|因為|なぜなら)|\s\((?=(?:since|because|as|i\.e|e\.g|or|about|approx|where|with|not|note|check|from)\b)/iu;

/** Statements, from the last one, that are looked at; and characters behind each. */
const [MAX_STATEMENTS, MAX_CHARACTERS] = [50, 500];

/** What `read` finds behind the last statement that it finds something behind. */
export function lastStatement<Found>(
  text: string,
  read: (rest: string) => Found | null,
): Found | null {
  const statements = [...text.matchAll(new RegExp(STATEMENT, "giu"))].slice(-MAX_STATEMENTS);
  for (const { index, 0: statement } of statements.toReversed()) {
    const from = index + statement.length;
    const found = read(text.slice(from, from + MAX_CHARACTERS));
    if (found !== null) return found;
  }
  return null;
}

/** The first clause of a text's first line, without the reasons behind it. */
export function firstClause(text: string): string {
  const line = /^[^\n]*/.exec(text)?.[0] ?? "";
  return line.slice(0, CLAUSE_END.exec(line)?.index ?? line.length);
}
