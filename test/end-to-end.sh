#!/usr/bin/env bash
# What a new user does with the committed state: clone, install, ask offline, script it, pack it.
# With --here it takes this checkout, a fresh clone where `npm ci` has run, as CI has one.
# Prints what it checked; the last line is "N passed, N failed".
set -euo pipefail

export NO_COLOR=1
unset FORCE_COLOR LLAMA_ETS_ENGINE GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

repository=$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clone=$work/llama-ets
output=$work/output
passed=0
failed=0

# check WHAT COMMAND...: runs the command, shows what it printed when it fails, and counts.
check() {
  local what=$1 started=$SECONDS
  shift
  if "$@" >"$output" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $what ($((SECONDS - started)) s)"
  else
    failed=$((failed + 1))
    echo "FAIL  $what ($((SECONDS - started)) s)"
    sed 's/^/      /' "$output"
  fi
}

# As offline as this machine lets us make it; npx is told so in any case.
offline() {
  local sandbox=()
  if unshare --net true 2>/dev/null; then
    sandbox=(unshare --net)
  elif unshare --map-root-user --net true 2>/dev/null; then
    sandbox=(unshare --map-root-user --net)
  fi
  # npx links the package into its cache: one that is removed with the clone.
  npm_config_cache=$work/npm npm_config_offline=true "${sandbox[@]}" "$@"
}

clones_head() {
  git clone --quiet "$repository" "$clone" &&
    test "$(git -C "$clone" rev-parse HEAD)" = "$(git -C "$repository" rev-parse HEAD)"
}

readme_says() {
  grep --fixed-strings --quiet -- "$1" README.md
}

# The README's first `npx llama-ets ask "…"`, with further arguments, as a shell reads it.
ask_as_readme() {
  local command
  command=$(grep --only-matching --max-count=1 'npx llama-ets ask "[^"]*"' README.md) || return
  offline bash -c "$command \"\$@\"" bash "$@" </dev/null
}

asks() {
  ask_as_readme | tee "$work/answer"
}

answer_has() {
  cat "$work/answer"
  grep --extended-regexp --quiet -- "$1" "$work/answer"
}

answers_as_before() {
  cp "$work/answer" "$work/answer-before" && asks || return
  # All but the last line, which is the time taken.
  diff <(sed '$d' "$work/answer-before") <(sed '$d' "$work/answer")
}

answers_in_json() {
  ask_as_readme --json | node -e '
    const assert = require("node:assert/strict");
    const result = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    assert.ok(result.text.length > 0);
    assert.ok(result.agreement >= 0 && result.agreement <= 1);
    assert.ok(result.steps.length > 0);
    for (const { candidates, logEnergies, weights, chosen, ess } of result.steps) {
      assert.equal(candidates.length, weights.length);
      assert.equal(candidates.length, logEnergies.length);
      assert.ok(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-9);
      assert.ok(weights[chosen] > 0);
      assert.ok(ess >= 1 - 1e-9 && ess <= candidates.length + 1e-9);
    }
    assert.equal(result.usage.prefilled, result.prompt.tokens.length);
    assert.ok(result.usage.decoded <= result.usage.generated);
    for (const key of ["seed", "settings", "stopReason", "versions"]) assert.ok(key in result, key);
  '
}

answers_through_the_library() {
  offline node --input-type=module --eval '
    import { ets, loadModel } from "llama-ets";
    const model = await loadModel("mini-gsm-ref");
    const { text, usage } = await ets(model, "What is 2 + 3?", { candidates: 4, steps: 2 });
    await model.dispose();
    if (text === "" || usage.generated === 0) process.exit(1);
  '
}

packs() {
  npm pack --pack-destination "$work" &&
    tar --list --gzip --file "$work"/llama-ets-*.tgz | sed 's|^package/||' | sort >"$work/packed"
}

packed() {
  cat "$work/packed"
  grep --extended-regexp --quiet -- "$1" "$work/packed"
}

not_packed() {
  test -s "$work/packed" && ! grep --extended-regexp -- "$1" "$work/packed"
}

# Every file that the repository has in a folder.
packed_whole() {
  git ls-files "$1" | while read -r file; do
    grep --line-regexp --fixed-strings --quiet -- "$file" "$work/packed" || {
      echo "not packed: $file"
      return 1
    }
  done
}

if [[ ${1-} == --here ]]; then
  cd "$repository"
else
  check "git clone" clones_head
  cd "$clone"
  check "npm ci" npm ci
fi
check "README: npm ci" readme_says "npm ci"
check "README: npx llama-ets ask" readme_says "npx llama-ets ask"
check "README: npm test" readme_says "npm test"
check "npm ci leaves the tree as it was" git diff --exit-code
check "npx llama-ets ask, offline" asks
check "the answer" answer_has '^ +answer +[^ ]'
check "its agreement" answer_has '^ +answer .* [0-9]+% of [0-9]+ votes agree'
check "its ESS" answer_has '^ +guidance .*ESS [0-9.]+'
check "its tokens" answer_has '^ +tokens +[1-9][0-9]* generated, [1-9][0-9]* prefilled'
check "its time" answer_has '^ +time +[0-9.]+ s '
check "a second run, with the same answer" answers_as_before
check "npx llama-ets ask --json, into a script" answers_in_json
check "the library, imported by its name" answers_through_the_library
check "npx llama-ets models" offline npx llama-ets models
check "npx llama-ets doctor" offline npx llama-ets doctor
check "npm pack" packs
check "packed: the command" packed '^dist/cli/main\.js$'
check "packed: the library and its types" packed '^dist/index\.d\.ts$'
check "packed: binding.gyp" packed '^binding\.gyp$'
check "packed: all of native/" packed_whole native
check "packed: the bundled models" packed '^models/mini-gsm-ref\.gguf$'
check "packed: no tests, sources, builds or CI" not_packed '(^|/)(test|tests|src|build|bench|\.ci)/|\.test\.'

echo "$passed passed, $failed failed"
test "$failed" -eq 0
