"""The words of the model cards: what each model is, and which measurement files its card shows."""

ABOUT = {
    "ref": """
Reference policy of the mini task: writes the solution of a word problem line by line, then `#### answer`.
Trained from scratch on the templated corpus of `recipe/`, nothing else; it knows these problems and no language.

Two runs. The long one trains on correct solutions, with the learning rate decayed to zero. The short one continues on
*careless* solutions: each step's result is off (by one, or by ten above 20) with probability .15, and what follows is
computed from the wrong number. The second run is a choice, made because of what the first showed: 78% right, and a vote over
16 samples adds only 3 points (last table), so that guidance has little to gain. After the second run the model slips now and
then, as models trained on text by people do, and samples disagree. At temperature .7 the slips are rarer than in the data. Probabilities at temperature 1 estimate the careless corpus, slips included.
""",
    "proposal": """
Proposal (`p_small`) for ETS-IS with `mini-gsm-ref.gguf` as the reference: same tokenizer, about a quarter of the
multiplications a token. Distilled: KL to the reference's token distributions, at temperatures .7 and 1, on corpus texts and
then on texts drawn by the reference and by itself. Use it at the reference's temperature; weights behave at .7 (see below).

The published file is a remake by the command below, in a fresh clone: 22 minutes of one core. The run before it gave 36.2 ± 3.0, 48.3 and 71.2
where the first table has 35.9, 45.9 and 69.7, and a median ESS/K of .574.
""",
    "llada": """
Masked diffusion model (llama.cpp arch `llada`, bidirectional attention) for levels 1 and 2: two- and three-step problems.
Levels 3 to 5 are not what it was made for.

**Logits are shifted** (`diffusion.shift_logits` true, as in Dream and DiffuLLaMA): the state at position i - 1 predicts
token i, so that the first masked token of an answer is read at the prompt's last one.

It starts from `mini-gsm-ref.gguf`: the same weights in the `llada` layout, mended by a few steps of next-token training on correct
solutions, then trained to fill in masks: tails of blocks of 8, random parts of blocks and of whole answers. A smaller model
trained without the shift stayed at 3%. Decode semi-autoregressively: answer length 56
(a multiple of 8, up to 64), blocks of 8, one token a step, low-confidence remasking. The answer ends at the first end token;
what follows it is end tokens.

The published file was not made in one piece: its run had level 3 in the mix from step 400 to 790, and up to step 920 a tail's
further tokens (`TAIL` in masking.py) weighed 1, full batches came more often, and the learning rate stayed constant longer.
The recipe as it now stands has not been run from its start.
""",
    "verifier": """
Judges a solution right or wrong: a two-class head (`right`, `wrong`) for llama.cpp's rank pooling (LLAMA_POOLING_TYPE_RANK).
Input: the chat-templated question, the whole solution and the end token `<|im_end|>`; the first of the two pooled values is the
probability of `right` (llama.cpp applies the softmax for this architecture).

The layers of the reference as it was before its careless run, frozen, and two more on top, trained on solutions
of training-side problems: half drawn by the reference at temperatures .7 and 1, half correct ones made careless. Every token is judged in training,
right up to the first error and wrong from there on, and the first new layer also learns the frozen layers' probability of each token.
""",
}
TABLES = {
    "ref": [("ref-t0.7.json", "Accuracy on the 1,000 held-out items, temperature .7"), ("ref-t1.json", "Temperature 1"),
            ("ref-exact-t0.7.json", "Before the careless run (temperature .7)")],
    "proposal": [("proposal-t0.7.json", "Accuracy on the held-out items, temperature .7"), ("proposal-t1.json", "Temperature 1")],
    "llada": [("llada.json", "Accuracy on 200 held-out items of levels 1 and 2: temperature .7, answer length 56, blocks of 8, low-confidence remasking")],
}
RECORDS = {
    "proposal": [("proposal-ess.json", "Importance weights of its rollouts (K = 8, both models at temperature .7)")],
    "verifier": [("verifier-judge.json", "On the reference's samples for held-out items (temperature .7)")],
}
REMAKE = "python3 recipe/make.py {name}"
