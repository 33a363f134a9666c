/** Detects the language of a text. Languages have the codes of IFEval (ISO 639-1). */

/** Of longer texts only the beginning is used. */
const MAX_LENGTH = 10_000;

/** Languages that `eld` doesn't know, with the codes of `franc` as keys. */
const BY_FRANC: Readonly<Record<string, string>> = {
  afr: "af",
  cym: "cy",
  ind: "id",
  mkd: "mk",
  npi: "ne",
  som: "so",
  swh: "sw",
};

/** With fewer letters, `franc` can't tell the language. */
const FEW_LETTERS = 20;

/** The languages from which `franc` chooses: those of `langdetect`, with which IFEval's results were made. */
const KNOWN =
  `afr arb bul ben cat ces cym dan deu ell eng spa est pes fin fra guj heb hin hrv hun ind ita jpn kan kor lit
   lvs mkd mal mar npi nld nob pan pol por ron rus slk slv som als swe swh tam tel tha tgl tur ukr urd vie
   cmn`.split(/\s+/);

export type DetectLanguage = (text: string) => string | null;

/** Loads the detectors. The returned function gives `null` for a text without letters. */
export async function loadDetector(): Promise<DetectLanguage> {
  const [{ eld }, { franc }] = await Promise.all([import("eld/small"), import("franc")]);
  return (whole) => {
    const text = whole.slice(0, MAX_LENGTH);
    const letters = text.match(/\p{L}/gu)?.length ?? 0;
    if (letters === 0) return null;
    const found = eld.detect(text).language;
    if (found === "en" || letters < FEW_LETTERS) return found;
    return BY_FRANC[franc(text, { only: KNOWN })] ?? found;
  };
}
