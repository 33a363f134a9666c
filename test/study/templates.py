"""Renders llama.cpp's collection of chat templates as transformers sets jinja2 up.

Writes hashes of the texts, for test/engine/templates.test.ts, which holds ours against them:

    python -m venv venv && venv/bin/pip install jinja2==3.1.6
    venv/bin/python test/study/templates.py TEMPLATES > test/fixtures/templates/renders.json

TEMPLATES is `models/templates` of llama.cpp's source. With `--texts` the texts are written instead.
What today's date is stands as <date> in them.
"""

import datetime
import hashlib
import json
import pathlib
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).parent
CHATS = json.loads((HERE / "../fixtures/templates/chats.json").read_text())


class Generation(jinja2.ext.Extension):
    """transformers' `{% generation %}`, which marks what the assistant says."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_pass")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _pass(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    options = {"indent": indent, "separators": separators, "sort_keys": sort_keys}
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


FORMATS = set()


def strftime_now(form):
    FORMATS.add(form)
    return datetime.datetime.now().strftime(form)


ENVIRONMENT = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
)
ENVIRONMENT.filters["tojson"] = tojson
ENVIRONMENT.globals["raise_exception"] = raise_exception
ENVIRONMENT.globals["strftime_now"] = strftime_now


def folded(messages):
    """The system message as part of the first message."""
    if messages[0]["role"] != "system":
        return messages
    user = {**messages[1], "content": messages[0]["content"] + "\n\n" + messages[1]["content"]}
    return [user, *messages[2:]]


def render(template, chat, thinking):
    """As transformers does; where that fails, with no tools as a list, or without a system message."""
    for messages in (chat["messages"], folded(chat["messages"])):
        for tools in [chat["tools"]] if "tools" in chat else [None, []]:
            try:
                return ENVIRONMENT.from_string(template).render(
                    messages=messages,
                    tools=tools,
                    documents=None,
                    add_generation_prompt=True,
                    enable_thinking=thinking,
                    bos_token="<s>",
                    eos_token="</s>",
                )
            except (jinja2.exceptions.TemplateError, TypeError):
                pass
    return None


def main(directory, texts=False):
    renders = {}
    for file in sorted(pathlib.Path(directory).glob("*.jinja")):
        template = file.read_bytes().decode()
        of_template = {}
        for name, chat in CHATS.items():
            for thinking in (True, False):
                FORMATS.clear()
                text = render(template, chat, thinking)
                if text is not None:
                    for form in FORMATS:
                        text = text.replace(datetime.datetime.now().strftime(form), "<date>")
                    if not texts:
                        text = hashlib.sha256(text.encode()).hexdigest()[:12]
                of_template[f"{name}{' thinking' if thinking else ''}"] = text
        renders[file.stem] = of_template
    print(json.dumps(renders, indent=1, ensure_ascii=False))


main(sys.argv[1], "--texts" in sys.argv)
