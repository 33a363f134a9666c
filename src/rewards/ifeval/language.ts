/** Which language a text is in, by the codes of IFEval (ISO 639-1). */

/** Longer texts are known by their beginnings. */
const MAX_LENGTH = 10_000;

/** Languages that `eld` doesn't know, by the codes of `franc`. */
const BY_FRANC: Readonly<Record<string, string>> = {
  afr: "af",
  cym: "cy",
  ind: "id",
  mkd: "mk",
  npi: "ne",
  som: "so",
  swh: "sw",
};

/** Fewer letters say nothing that `franc` could tell. */
const FEW_LETTERS = 20;

/** All that `franc` chooses from: what `langdetect` knows, with which IFEval's verdicts were made. */
const KNOWN =
  `afr arb bul ben cat ces cym dan deu ell eng spa est pes fin fra guj heb hin hrv hun ind ita jpn kan kor lit
   lvs mkd mal mar npi nld nob pan pol por ron rus slk slv som als swe swh tam tel tha tgl tur ukr urd vie
   cmn`.split(/\s+/);

export type DetectLanguage = (text: string) => string | null;

/** Loads the detectors; what they give is `null` for a text without letters. */
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
