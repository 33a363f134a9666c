// What the fuzzers begin with: small files that each reader takes, of every kind that it tells apart.
import { encodeHeader, f32, padTo, text, u32 } from "../../bench/lib/gguf.mjs";

const list = (of, values) => ({ type: "array", of, values });

function gguf(values, tensors = [["token_embd.weight", [8, 2], 0]]) {
  const described = tensors.map(([name, shape, type]) => {
    const bytes = 4 * shape.reduce((product, size) => product * size, 1);
    return { name, shape, type, bytes };
  });
  const { pad } = padTo(32);
  const data = described.map(({ bytes }) => pad(Buffer.alloc(bytes)));
  return Buffer.concat([encodeHeader(new Map(Object.entries(values)), described), ...data]);
}

function model(architecture, own = {}) {
  const ownKeys = Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value]);
  return gguf({
    "general.architecture": text(architecture),
    ...Object.fromEntries(ownKeys),
    "tokenizer.ggml.model": text("gpt2"),
    "tokenizer.ggml.tokens": list("string", ["a", "b"]),
  });
}

const dense = {
  block_count: u32(1),
  context_length: u32(8),
  embedding_length: u32(8),
  "attention.head_count": u32(2),
  "attention.layer_norm_rms_epsilon": f32(1e-6),
  "rope.dimension_count": u32(4),
};
const qwen3 = model("qwen3", dense);
const files = [
  qwen3,
  model("qwen3", {
    ...dense,
    expert_count: u32(8),
    expert_used_count: list("u32", [2]),
    expert_group_count: u32(4),
    expert_group_used_count: u32(2),
    "rope.scaling.type": text("yarn"),
  }),
  model("gemma4", {
    block_count: u32(4),
    "attention.shared_kv_layers": u32(2),
    "attention.sliding_window_pattern": list("bool", [true, false, true, false]),
  }),
  model("mamba2", {
    block_count: u32(1),
    "ssm.inner_size": u32(8),
    "ssm.time_step_rank": u32(2),
    "ssm.group_count": u32(1),
  }),
];
const adapter = gguf(
  {
    "general.architecture": text("qwen3"),
    "general.type": text("adapter"),
    "adapter.type": text("lora"),
    "adapter.lora.alpha": f32(16),
  },
  [
    ["token_embd.weight.lora_a", [8, 1], 0],
    ["token_embd.weight.lora_b", [1, 2], 0],
  ],
);

/** The model beside which adapters are checked. */
export const MODEL = qwen3;

/** A byte as GPT-2's vocabularies write it. */
const printable = (byte) =>
  byte > 32 && byte !== 127 && !(byte > 127 && byte < 161) && byte !== 173;
const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !printable(byte));
const written = (byte) => String.fromCharCode(printable(byte) ? byte : 256 + others.indexOf(byte));
const spelled = (piece) => Array.from(Buffer.from(piece), written).join("");

/** Each byte, tokens of many characters, one of an end and one of control. */
const pieces = [
  ...["#".repeat(64), "ab".repeat(9), " ".repeat(30), `${"=".repeat(20)}\n`, "éé", "é".repeat(9)],
  ...["ab", "abc", '{"', '":', "true", "12", "\n\n"],
].map(spelled);
const tokens = [...Array.from({ length: 256 }, (_, byte) => written(byte)), ...pieces];
const [NORMAL, CONTROL] = [1, 3];

/** A vocabulary by itself. */
export const VOCABULARY = gguf({
  "general.architecture": text("qwen3"),
  "tokenizer.ggml.model": text("gpt2"),
  "tokenizer.ggml.pre": text("gpt-2"),
  "tokenizer.ggml.tokens": list("string", [...tokens, "<|im_end|>", "<|other|>"]),
  "tokenizer.ggml.token_type": list("i32", [...tokens.map(() => NORMAL), CONTROL, CONTROL]),
  "tokenizer.ggml.merges": list("string", ["a b"]),
  "tokenizer.ggml.eos_token_id": u32(tokens.length),
});

const walk = Buffer.from([0, 0, 7, 3, 200, 1, 1, 90, 31, 4, 255, 0, 12, 66, 5]);
const grammars = [
  'root ::= ("#" | "##"){1,8} "x"',
  'root ::= "{" ( pair ("," pair)* )? "}"\npair ::= "\\"" [a-z]+ "\\":" value\nvalue ::= "true" | [0-9]{1,3} | root',
  'root ::= [^"\\\\\\x00-\\x1F]* | "\\u00E9" . | ("ab" | "a" "b"+)* "=" # some\n',
];

export const SEEDS = {
  gguf_header: [...files, adapter],
  model_file: files,
  adapter_file: [adapter],
  cell_order: [Buffer.from([3, 0, 1, 2, 130, 2, 5, 1, 134, 255, 2, 9, 3, 140])],
  grammar: grammars.map((source) => Buffer.concat([Buffer.from(source), walk])),
  longest_run: [Buffer.from("aaaa 1111 é!!!!\n\n"), Buffer.from([0x80, 0x80, 0xc3, 0xa9, 0x61])],
};
