// Fuzzes the native code that reads what strangers wrote, under AddressSanitizer and UBSan, with
// libFuzzer, clang's (`CXX`, or the first clang++ that is found):
//
//   npm run test:fuzz                        each harness for a minute
//   npm run test:fuzz -- model_file -s 600   one of them, for ten
//
// What was found lies below build/fuzz/NAME/corpus, for the next time; an input that crashes, beside it.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { locateEngine } from "../../dist/engine/local/locate-engine.js";
import { extractSource } from "../../dist/engine-build/source-bundle.js";
import { MODEL, SEEDS, VOCABULARY } from "./seeds.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = path.join(HERE, "../..");
const HEADERS = path.join(ROOT, "build/engine-headers");
const COMPILERS = ["clang++", ...Array.from({ length: 12 }, (_, i) => `clang++-${25 - i}`)];
const FLAGS = [
  ...["-std=c++17", "-g", "-O1", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"],
  "-fsanitize=fuzzer,address,undefined",
  ...["native", "test/fuzz", `${HEADERS}/include`, `${HEADERS}/ggml/include`].map((d) => `-I${d}`),
];

const FILES = ["adapter_file", "engine", "gguf_file", "gguf_header", "model_file", "split_model"];
const checks = [...FILES.map((name) => `native/files/${name}.cc`), "test/fuzz/no_attention.cc"];
const SOURCES = {
  gguf_header: ["native/files/gguf_header.cc"],
  model_file: checks,
  adapter_file: checks,
  cell_order: [],
  longest_run: ["native/text/deep_stack.cc"],
  grammar: [
    ...["native/files/engine.cc", "test/fuzz/no_attention.cc", "native/sampling/grammar.cc"],
    ...[
      "native/sampling/grammar_reader.cc",
      "native/sampling/grammar_rules.cc",
      "native/decode/token_text.cc",
    ],
  ],
};
/** Where llama.cpp's source is taken from node-llama-cpp's bundle. */
const LLAMA = path.join(ROOT, "build/fuzz/llama.cpp");

const { values, positionals } = parseArgs({
  options: { seconds: { type: "string", short: "s", default: "60" } },
  allowPositionals: true,
});
const names = positionals.length > 0 ? positionals : Object.keys(SEEDS);
const isThere = (compiler) => spawnSync(compiler, ["--version"]).status === 0;
const compiler = process.env.CXX ?? COMPILERS.find(isThere);
if (compiler === undefined) throw new Error("libFuzzer needs clang++ and its compiler-rt");

function run(command, args, env = {}) {
  const options = { cwd: ROOT, stdio: "inherit", env: { ...process.env, ...env } };
  const { status, signal, error } = spawnSync(command, args, options);
  if (error) throw error;
  return signal ?? status;
}

const engine = await locateEngine(false, "");

/** llama.cpp's reader of grammars, in place of the engine's own, which the rest is linked with. */
async function ofLlama() {
  await extractSource(LLAMA);
  const libraries = readdirSync(engine.directory)
    .filter((file) => /^lib(llama|ggml-base)\..*so$/.test(file))
    .map((file) => path.join(engine.directory, file));
  return [
    ...[`-I${LLAMA}/src`, `${LLAMA}/src/llama-grammar.cpp`, "-rdynamic"],
    ...[...libraries, `-Wl,-rpath,${engine.directory}`],
  ];
}

async function fuzz(name) {
  const place = path.join(ROOT, "build/fuzz", name);
  const corpus = path.join(place, "corpus");
  mkdirSync(corpus, { recursive: true });
  SEEDS[name].forEach((bytes, i) => {
    writeFileSync(path.join(corpus, `seed-${i}`), bytes);
  });
  const model = path.join(place, "model.gguf");
  writeFileSync(model, name === "grammar" ? VOCABULARY : MODEL);
  const program = path.join(place, "fuzz");
  const sources = [`test/fuzz/${name}.cc`, ...SOURCES[name]];
  if (name === "grammar") sources.push(...(await ofLlama()));
  if (run(compiler, [...FLAGS, ...sources, "-ldl", "-o", program]) !== 0) return false;
  const args = [
    ...[`-max_total_time=${values.seconds}`, "-timeout=30", "-rss_limit_mb=2048"],
    ...["-close_fd_mask=2", "-max_len=4096", "-print_final_stats=1", `-artifact_prefix=${place}/`],
    ...dictionaryOf(name),
    corpus,
  ];
  const env = { LLAMA_ETS_ENGINE: engine.directory, LLAMA_ETS_FUZZ_MODEL: model };
  return run(program, args, env) === 0;
}

function dictionaryOf(name) {
  if (name === "grammar") return ["-dict=test/fuzz/grammar.dict"];
  const isFile = SEEDS[name][0].toString("latin1").startsWith("GGUF");
  return isFile ? ["-dict=test/fuzz/gguf.dict"] : [];
}

for (const name of names) {
  if (SEEDS[name] === undefined) throw new Error(`${name} is none of ${Object.keys(SEEDS)}`);
  console.log(`\n=== ${name}`);
  if (!(await fuzz(name))) process.exitCode = 1;
  console.log(`=== ${name}: ${process.exitCode ? "FAILED" : "passed"}`);
}
