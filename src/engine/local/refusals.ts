/** Finds the fix for the addon's refusal of a file. */
import path from "node:path";

/** The addon's messages about a file (`native/files`), and their fixes. */
const FIXES: [RegExp, string][] = [
  [
    /^It is a LoRA adapter/,
    "give the model that it was made for, and the adapter as --lora FILE (`loras` of loadModel)",
  ],
  [/^It is an importance matrix/, "give a model; this file is for llama-quantize"],
  [
    /^It is a projector/,
    "give the language model that it belongs to; images and sounds aren't read",
  ],
  [
    /^It is a draft of/,
    "give the model that it drafts for; --proposal takes a whole, smaller model of the same family",
  ],
  [/^It is a control vector/, "give the model that it was made for; control vectors aren't read"],
  [/^It has a vocabulary and no weights/, "give the file with the model's weights"],
  [/adapter of another model/, "an adapter that was made from this model"],
  [/^Expected a LoRA adapter/, "give a model by -m (`loadModel(path)`), an adapter by --lora"],
  [/^Part \d+ of \d+, .*, is missing/, "download all parts into one directory"],
];

/** The fix for the addon's refusal of a file; undefined if there is none. */
export function fixFor(file: string, code: string, reason: string): string | undefined {
  if (code === "ERR_MODEL_TRUNCATED") return "download it again";
  if (/^It is part \d+ of \d+ /.test(reason)) return firstPartOf(file);
  const ofAdapter = /^The adapter .* can't be used: (.*)$/s.exec(reason)?.[1];
  return FIXES.find(([pattern]) => pattern.test(ofAdapter ?? reason))?.[1];
}

/** The fix if a later part of a split model was given: the path of the first part. */
function firstPartOf(file: string): string {
  const name = path.basename(file);
  const first = name.replace(/-\d{5}(-of-\d{5}\.gguf)$/i, "-00001$1");
  return first === name ? "its first part" : `give ${path.join(path.dirname(file), first)}`;
}
