"""How lm-evaluation-harness and Math-Verify grade the rows that `llama-ets grade` grades, side by side.

    python grading_peers.py TASK rows.jsonl verdicts.jsonl     (lm_eval 0.4.13, math-verify 0.9.0, both from PyPI)

TASK is gsm8k, gpqa or math500. `rows.jsonl` has `{id, output | answer, gold, choices?}` a line, `verdicts.jsonl` what
`llama-ets grade TASK rows.jsonl` printed. Prints how often each is of our verdict, and every disagreement as a JSON line.
"""
import json
import sys

from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters.extraction import MultiChoiceRegexFilter, RegexFilter
from lm_eval.tasks.minerva_math import utils as minerva
from math_verify import parse, verify


def lm_eval_numbers(text, row):
    """gsm8k's `flexible-extract`."""
    found = RegexFilter("(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1).apply([[text]], [{}])[0][0]
    return exact_match_hf_evaluate(
        predictions=[found],
        references=[row["gold"]],
        ignore_case=True,
        ignore_punctuation=False,
        regexes_to_ignore=[",", "\\$", "(?s).*#### ", "\\.$"],
    )["exact_match"] == 1


def lm_eval_letters(text, row):
    """gpqa's `flexible-extract`; `main` applies its filter, which takes a second, to all rows at once."""
    return row["letter"].strip("()") == row["gold"]


def letters_of(rows):
    letters = MultiChoiceRegexFilter(
        "(\\([A-Z]\\))", group_select=-1, ignore_case=True, ignore_punctuation=True
    )
    texts = [[row["output"]] for row in rows]
    return [found[0] for found in letters.apply(texts, [{"choices": row.get("choices") or []} for row in rows])]


def lm_eval_mathematics(text, row):
    """minerva_math's own extraction and comparison by sympy; an answer is put into its sentence."""
    if "answer" in row:
        text = f"Final Answer: The final answer is ${text}$. I hope it is correct."
    found = minerva.normalize_final_answer(minerva.get_unnormalized_answer(text))
    return minerva.is_equiv(found, minerva.normalize_final_answer(row["gold"]))


def math_verify(text, row):
    gold = row["gold"] if row["task"] != "math500" else f"${row['gold']}$"
    answer = f"${text}$" if "answer" in row and row["task"] == "math500" else text
    return verify(parse(gold), parse(answer))


PEERS = {
    "gsm8k": {"lm-eval": lm_eval_numbers, "Math-Verify": math_verify},
    "gpqa": {"lm-eval": lm_eval_letters},
    "math500": {"lm-eval": lm_eval_mathematics, "Math-Verify": math_verify},
}


def main():
    task, rows_file, verdicts_file = sys.argv[1:]
    with open(rows_file, encoding="utf-8") as rows, open(verdicts_file, encoding="utf-8") as verdicts:
        pairs = [(json.loads(row), json.loads(verdict)) for row, verdict in zip(rows, verdicts)]
    if task == "gpqa":
        for (row, _), letter in zip(pairs, letters_of([row for row, _ in pairs])):
            row["letter"] = letter
    agreed = {name: 0 for name in PEERS[task]}
    for row, ours in pairs:
        text = row.get("output", row.get("answer"))
        for name, grade in PEERS[task].items():
            try:
                theirs = bool(grade(text, {**row, "task": task}))
            except Exception:  # What a peer can't read it doesn't count as right.
                theirs = False
            agreed[name] += theirs == ours["correct"]
            if theirs != ours["correct"]:
                shown = {"id": row["id"], "peer": name, "theirs": theirs, "ours": ours["correct"]}
                print(json.dumps({**shown, "gold": row["gold"], "extracted": ours["extracted"], "text": text[-200:]}))
    print({name: f"{count} of {len(pairs)}" for name, count in agreed.items()}, file=sys.stderr)


main()
