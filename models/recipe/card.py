"""Write a model's card from the measurements in build/.

usage: card.py ref|proposal|llada|verifier BUILD MODELS
Everything in a card is read from the JSON files of evaluate.py, denoise.py, ess.py, judge.py and verify.py.
"""

import json
import os
import sys

import card_text
from model import load

HERE = os.path.dirname(os.path.abspath(__file__))


def read(build, name):
    path = os.path.join(build, name)
    return json.load(open(path)) if os.path.exists(path) else None


def percent(x):
    return "–" if x is None else f"{100 * x:.1f}"


def interval(p, n):
    """Half width of the 95% interval of a share of n items, in points."""
    return 196 * (p * (1 - p) / n) ** .5


def accuracy_table(result):
    """Markdown rows of evaluate.table(): sample, majority and pass, overall and by part."""
    count = result["settings"]["count"]
    lines = [f"| items | n | one sample | majority@{count} | pass@{count} |", "|---|---|---|---|---|"]
    for name, row in result.items():
        if isinstance(row, dict) and "sample" in row:
            title = name.replace("held_out", "held out:").replace("all", "all items")
            around = f" ± {interval(row['sample'], row['items']):.1f}" if name == "all" else ""
            lines.append(f"| {title} | {row['items']} | {percent(row['sample'])}{around} | {percent(row['majority'])} | {percent(row['pass'])} |")
    return "\n".join(lines)


def reliability_svg(points, title):
    """A reliability plot: predicted share against how often right, area by count, diagonal dashed."""
    size, edge = 260, 40
    at = lambda p, r: (edge + p * size, edge + (1 - r) * size)
    most = max(n for *_, n in points)
    marks = []
    for p, r, n in points:
        x, y = at(p, r)
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 + 9 * (n / most) ** .5:.1f}" fill="#2a6fb0" fill-opacity=".7"><title>{p:.2f} {r:.2f} n={n}</title></circle>')
    ticks = "".join(f'<text x="{at(v, 0)[0]:.0f}" y="{edge + size + 16}" text-anchor="middle">{v}</text>'
                    f'<text x="{edge - 6}" y="{at(0, v)[1] + 4:.0f}" text-anchor="end">{v}</text>' for v in (0, .25, .5, .75, 1))
    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size + 2 * edge} {size + 2 * edge}" font-family="sans-serif" font-size="11">'
            f'<rect x="{edge}" y="{edge}" width="{size}" height="{size}" fill="none" stroke="#888"/>'
            f'<path d="M{x0} {y0}L{x1} {y1}" stroke="#888" stroke-dasharray="4"/>{ticks}{"".join(marks)}'
            f'<text x="{edge}" y="{edge - 12}">{title}</text></svg>\n')


def facts(model, size):
    s = model.shape
    count = sum(p.numel() for p in model.parameters())
    return (f"| architecture | `{s.arch}`: width {s.width}, {s.layers} layers, {s.heads} heads of {s.head}, {s.kv_heads} K/V heads, feed-forward {s.hidden} |\n"
            f"| parameters | {count / 1e6:.2f} M |\n| file | {size / 1e6:.2f} MB, f16 |\n| vocabulary | {s.vocab} (byte-level BPE, shared by the mini models) |\n"
            f"| context length | {s.context} |\n| training steps | {model.notes.get('step', '–')} |")


def measurements(name, build, models):
    """The card's sections of measured numbers, as markdown."""
    parts = []
    for key, title in card_text.TABLES.get(name, []):
        result = read(build, key)
        if result:
            parts.append(f"### {title}\n\n{accuracy_table(result)}")
            if key == "ref-t0.7.json":
                for points, kind, words in ((result["calibration"], "tokens", "next token of held-out solutions with slips at the rate of the second run, temperature 1"),
                                            (result["reliability"], "votes", "share of the plurality answer among 16 samples, T = .7")):
                    file = f"mini-gsm-ref.{kind}.svg"
                    with open(os.path.join(models, file), "w") as out:
                        out.write(reliability_svg(points, f"Right (up) against predicted (right): {kind}"))
                    parts.append(f"Reliability of the {words}:\n\n![reliability of {kind}]({file})\n\n| predicted | right | n |\n|---|---|---|\n"
                                 + "\n".join(f"| {p:.2f} | {r:.2f} | {n} |" for p, r, n in points))
    for key, title in card_text.RECORDS.get(name, []):
        result = read(build, key)
        if result:
            rows = "\n".join(f"| {k} | {', '.join(f'{a} {b}' for a, b in v.items()) if isinstance(v, dict) else v} |" for k, v in result.items())
            parts.append(f"### {title}\n\n| | |\n|---|---|\n{rows}")
    verified = read(build, f"{name}-verify.json")
    if verified:
        parts.append(f"### Export against llama.cpp\n\n40 held-out texts, f16 file in llama.cpp against the f32 weights here: {verified['text']}.")
    return "\n\n".join(parts)


def main():
    name, build, models = sys.argv[1:]
    model = load(os.path.join(build, f"{name}.pt"))
    size = os.path.getsize(os.path.join(models, f"mini-gsm-{name}.gguf"))
    with open(os.path.join(models, f"mini-gsm-{name}.md"), "w") as out:
        out.write(f"# mini-gsm-{name}.gguf\n\n{card_text.ABOUT[name].strip()}\n\n| | |\n|---|---|\n{facts(model, size)}\n\n"
                  f"## Measured\n\n{measurements(name, build, models)}\n\n## Remake\n\n```\n{card_text.REMAKE.format(name=name)}\n```\n")


if __name__ == "__main__":
    main()
