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
then on texts drawn by the reference and by itself (this file: step 552 of that run's 800). Use it at the reference's temperature; weights behave at .7 (see below).
""",
    "llada": """
Masked diffusion model (llama.cpp arch `llada`, bidirectional attention) for levels 1 and 2 only: two- and three-step problems.
**Not yet a solver**: this file is the end of the first training run only (causal, then block diffusion, then full
attention as llama.cpp runs it). It writes the right form of a solution and mostly wrong arithmetic; the second, long run was not
finished. Good enough to build diffusion code on, not to study it. Decode semi-autoregressively:
answer length 56 (a multiple of 8, up to 64), blocks of 8, one token a step, low-confidence remasking. The answer
ends at the first end token; what follows it is end tokens. Levels 3 to 5 are outside its training.
""",
    "verifier": """
Judges a solution right or wrong: a two-class head (`right`, `wrong`) for llama.cpp's rank pooling (LLAMA_POOLING_TYPE_RANK).
Input: the chat-templated question, the whole solution and the end token `<|im_end|>`; the first of the two pooled values is the
probability of `right` (llama.cpp applies the softmax for this architecture). The reference's layers, frozen, and two more on top, trained on
the reference's samples for training-side problems; in training every token is judged, right up to the first error and wrong from there on.

**Under-trained** (759 of 1,000 planned steps): it knows how hard a problem is better than which of two solutions is right, so choosing
the best-judged of 16 does worse than one sample. Do not use it as a reward yet.
""",
}
TABLES = {
    "ref": [("ref-t0.7.json", "Accuracy on the 1,000 held-out items, temperature .7"), ("ref-t1.json", "Temperature 1"),
            ("ref-exact-t0.7.json", "Before the careless run (temperature .7)")],
    "proposal": [("proposal-t0.7.json", "Accuracy on the held-out items, temperature .7"), ("proposal-t1.json", "Temperature 1")],
    "llada": [("llada-low-confidence.json", "Accuracy on held-out items of levels 1 and 2, low-confidence remasking"),
              ("llada-random.json", "Random remasking")],
}
RECORDS = {
    "proposal": [("proposal-ess.json", "Importance weights of its rollouts (K = 8, both models at temperature .7)")],
    "verifier": [("verifier-judge.json", "On the reference's samples for held-out items (temperature .7)")],
}
HEADLINE = {"ref": "ref-t0.7.json", "proposal": "proposal-t0.7.json", "llada": "llada-low-confidence.json"}
REMAKE = "python3 recipe/make.py {name}"
