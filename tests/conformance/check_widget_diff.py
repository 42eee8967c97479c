"""Compares our `diff_widget` and `WidgetTemplate` with the official ones.

Run it in a virtual environment with `requirements.txt`:

    cargo build -q -p parlor-chatkit --example widgets_jsonl
    python tests/conformance/check_widget_diff.py target/debug/examples/widgets_jsonl

Both get the same pairs of widgets, made at random from a fixed seed (or from `--seed N`), and the
same templates with the same data. The updates must be equal, and the widgets that templates give.
Where the official function loses a change or raises an error, ours must send the whole widget.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import subprocess
import sys
import warnings
from collections import Counter
from typing import Any

warnings.simplefilter("ignore")  # The SDK deprecates direct use of its widget classes.

from pydantic import TypeAdapter  # noqa: E402

from chatkit.server import diff_widget  # noqa: E402
from chatkit.widgets import WidgetRoot, WidgetTemplate  # noqa: E402

WIDGET = TypeAdapter(WidgetRoot)
PAIRS = 4_000

Json = dict[str, Any]


# Random widgets.

WORDS = ["", "a", "ab", "one two", "→", "line\nline", "# T"]


# The official model writes out what it takes for granted; ours leaves out what was left out.
ACTION = {
    "type": "go", "payload": {"n": 1},
    "handler": "server", "loadingBehavior": "auto", "streaming": True,
}


def component(rng: random.Random, depth: int) -> Json:
    kinds = ["Text", "Text", "Markdown", "Markdown", "Title", "Badge", "Button", "Divider"]
    if depth > 0:
        kinds += ["Col", "Row", "Box", "Form", "Transition", "Table", "Panel"]
    kind = rng.choice(kinds)
    made: Json = {"type": kind}
    if rng.random() < 0.7:
        # Mostly unique: what happens with an id used twice is compared, too, but rarely.
        made["id"] = f"n{rng.randrange(60)}"
    if rng.random() < 0.1:
        made["key"] = rng.choice(["k", "l"])
    match kind:
        case "Text" | "Markdown":
            made["value"] = rng.choice(WORDS)
            if rng.random() < 0.6:
                made["streaming"] = rng.random() < 0.7
        case "Title":
            made["value"] = rng.choice(WORDS)
        case "Badge":
            made["label"] = rng.choice(WORDS)
        case "Button":
            made |= {"label": "Go", "onClickAction": ACTION}
        case "Transition":
            made["children"] = component(rng, depth - 1)
        case "Table":
            cell = {"type": "Table.Cell", "children": children(rng, depth - 1)}
            made["children"] = [{"type": "Table.Row", "children": [cell]}]
        case "Col" | "Row" | "Box" | "Form" | "Panel":
            made |= {"gap": rng.randrange(3), "children": children(rng, depth - 1)}
    return made


def children(rng: random.Random, depth: int) -> list[Json]:
    return [component(rng, depth) for _ in range(rng.randrange(4))]


def root(rng: random.Random) -> Json:
    kind = rng.choice(["Card", "Card", "Basic", "ListView"])
    if kind == "ListView":
        rows = [{"type": "ListViewItem", "children": children(rng, 2)} for _ in range(3)]
        return {"type": kind, "children": rows}
    return {"type": kind, "children": children(rng, 3)}


def nodes(node: Any) -> list[Json]:
    below = node.get("children") or []
    below = below if isinstance(below, list) else [below]
    return [node] + [found for child in below for found in nodes(child)]


def changed(rng: random.Random, before: Json) -> Json:
    """The next version: texts grow; now and then something else changes."""
    after = copy.deepcopy(before)
    for node in nodes(after):
        if node["type"] in ("Text", "Markdown") and rng.random() < 0.5:
            node["value"] += rng.choice(["", "x", " y", "→"])
    if rng.random() < 0.3:
        node = rng.choice(nodes(after))
        match rng.randrange(7):
            case 0:
                node["id"] = "other"
            case 1:
                node["key"] = "other"
            case 2 if "value" in node:
                node["value"] = node["value"][1:]
            case 3 if "value" in node:
                node["value"] = "z" + node["value"]
            case 4 if "streaming" in node:
                node["streaming"] = not node["streaming"]
            case 5 if isinstance(node.get("children"), list) and node["type"] != "Table.Row":
                if node["type"] != "ListView":
                    node["children"].append({"type": "Divider"})
            case 6 if "gap" in node:
                node["gap"] += 1
            case _:
                pass
    return after


def official_updates(before: Json, after: Json) -> list[Json] | None:
    """What the official function finds; `None` when it fails."""
    try:
        found = diff_widget(WIDGET.validate_python(before), WIDGET.validate_python(after))
    except (ValueError, AttributeError):
        return None
    return [update.model_dump(mode="json", by_alias=True, exclude_none=True) for update in found]


def misses(before: Json, after: Json, updates: list[Json]) -> bool:
    """Whether these updates, applied as clients do, do not lead from `before` to `after`."""
    if any(update["type"] == "widget.root.updated" for update in updates):
        return False
    result = copy.deepcopy(before)
    for update in updates:
        named = [node for node in nodes(result) if node.get("id") == update["component_id"]]
        # An id that is used twice names nothing for sure.
        if len(named) != 1:
            return True
        named[0]["value"] += update["delta"]
    return result != after


def check_diffs(ask: Any, seed: int) -> list[str]:
    rng = random.Random(seed)
    pairs = []
    for _ in range(PAIRS):
        before = root(rng)
        pairs.append((before, changed(rng, before)))
    answers = ask([{"before": before, "after": after} for before, after in pairs])
    problems, kinds = [], Counter()
    for (before, after), ours in zip(pairs, answers, strict=True):
        official = official_updates(before, after)
        if official is None or misses(before, after, official):
            expected = [{"type": "widget.root.updated", "widget": after}]
            kinds["the official function fails or loses a change"] += 1
        else:
            expected = official
            kinds["root" if any("widget" in it for it in official) else
                  "deltas" if official else "nothing"] += 1
        if ours != expected:
            problems.append(
                f"{json.dumps(before)}\n  -> {json.dumps(after)}\n"
                f"  expected {json.dumps(expected)}\n  found    {json.dumps(ours)}"
            )
    for kind in ("root", "deltas", "nothing"):
        if kinds[kind] < PAIRS // 50:
            problems.append(f"the pairs hardly cover `{kind}`: {dict(kinds)}")
    print(f"diff_widget: {PAIRS} pairs (seed {seed}), {dict(kinds)}")
    return problems


# Templates: in the ways in which the Widget Builder writes them, and by hand.

LOOP = (
    '{"type":"ListView","children":[{%- set _c -%}{%-for item in items -%},'
    '{"type":"ListViewItem","key":{{ (item.id) | tojson }},"gap":5,'
    '"onClickAction":{"type":"line.select","payload":{"id":{{ (item.id) | tojson }}}},'
    '"children":[{"type":"Text","value":{{ (item.label ~ " · " ~ item.price) | tojson }}}'
    '{%-if item.tags and (item.tags | length) > 1 -%},{"type":"Badge","label":'
    '{{ (item.tags | join(", ")) | tojson }}}{%-endif-%}]}'
    "{%-endfor-%}{%- endset -%}{{- (_c[1:] if _c and _c[0] == ',' else _c) -}}]}"
)
FIELDS = (
    '{"type":"Card","size":{{ (size if size is defined else "sm") | tojson }},"children":['
    '{"type":"Title","value":{{ (title) | tojson }}},'
    '{"type":"Text","value":{{ (user.name | upper) | tojson }},"maxLines":{{ lines + 1 }}},'
    '{"type":"Row","children":{{ rows | default([]) | tojson(indent=2) }}}]}'
)
BASIC = (
    '{"type":"Basic","gap":{{ gap }},"children":['
    "{% for row in rows %}{% for cell in row %}"
    '{"type":"Markdown","id":"c{{ loop.index0 }}-{{ loop.index }}","value":{{ cell | tojson }}}'
    "{% if not loop.last %},{% endif %}{% endfor %}{% if not loop.last %},{% endif %}"
    "{% endfor %}]}"
)
NASTY = 'a "quoted" \\ <b>&\'</b> \u2028 \U0001f600 \t{{ x }} {% y %}'

TEMPLATES: list[tuple[str, Any]] = [
    ('{"type":"Card","children":[{"type":"Text","value":"{braces}"}]}', {}),
    (LOOP, {"items": []}),
    (LOOP, {"items": [{"id": "a", "label": NASTY, "price": 1.5, "tags": []}]}),
    (LOOP, {"items": [{"id": f"n{n}", "label": "n", "price": n, "tags": ["x", "y"]} for n in range(3)]}),
    (FIELDS, {"title": NASTY, "user": {"name": "Zoë"}, "lines": 1}),
    (FIELDS, {
        "title": None, "user": {"name": "x"}, "lines": 2, "size": "full",
        "rows": [{"type": "Spacer"}, {"type": "Icon", "name": "star", "more": [1, 2.5, True]}],
    }),
    (BASIC, {"gap": 2, "rows": [["a", NASTY], ["b"]]}),
    # What both refuse: a name that is not there, JSON that is none, what is no root.
    (FIELDS, {"title": "x", "lines": 1}),
    (FIELDS, {"user": {"name": "x"}, "lines": 1}),
    (LOOP, {}),
    (LOOP, {"items": [{"id": "a"}]}),
    ('{"type":"Card","children":[{{ x }}', {"x": 1}),
    ('{"type":"Card","title":{{ x }}}', {"x": "no quotes"}),
    ('{"type":"Text","value":"x"}', {}),
    ('{"children":[]}', {}),
    ("{% if x %}", {"x": 1}),
    ("[]", {}),
]


def official_widget(source: str, data: Any) -> Json | None:
    try:
        template = WidgetTemplate({"version": "1.0", "name": "t", "template": source})
        return template.build(data).model_dump(mode="json", by_alias=True)
    except Exception:  # noqa: BLE001 - jinja2, json and pydantic have no common kind of error
        return None


def without_null(value: Any) -> Any:
    """Absent and null are the same for both; the official models drop them when writing."""
    if isinstance(value, dict):
        return {name: without_null(it) for name, it in value.items() if it is not None}
    return [without_null(it) for it in value] if isinstance(value, list) else value


def check_templates(ask: Any) -> list[str]:
    files = [{"version": "1.0", "name": "t", "template": source} for source, _ in TEMPLATES]
    data = [data for _, data in TEMPLATES]
    answers = ask([{"template": t, "data": d} for t, d in zip(files, data, strict=True)])
    problems, refused = [], 0
    for (source, given), ours in zip(TEMPLATES, answers, strict=True):
        official = official_widget(source, given)
        refused += official is None
        if without_null(ours.get("widget")) != without_null(official):
            problems.append(
                f"{source}\n  with {given}\n  expected {official}\n  found    {ours}"
            )
    print(f"WidgetTemplate: {len(TEMPLATES)} templates, {refused} of them refused by both")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the built example `widgets_jsonl`")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    def ask(questions: list[Json]) -> list[Any]:
        lines = "".join(json.dumps(question) + "\n" for question in questions)
        run = subprocess.run(
            [arguments.program], input=lines, capture_output=True, text=True, check=True
        )
        # Not splitlines: a text may hold other line separators.
        return [json.loads(line) for line in run.stdout.split("\n") if line]

    problems = check_diffs(ask, arguments.seed) + check_templates(ask)
    for problem in problems[:3]:
        print(problem, file=sys.stderr)
    if problems:
        print(f"{len(problems)} differences", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
