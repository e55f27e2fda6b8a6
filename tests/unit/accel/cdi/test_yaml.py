"""YAML as the engines' library reads it, and what is refused of it.

The tables were compared with sigs.k8s.io/yaml itself, which read the same texts into a CDI `Spec`.
"""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama_accel.cdi.yaml import KeyPath, read_yaml

Pairs = list[tuple[KeyPath, str | None]]

BLOCKS: list[tuple[str, Pairs]] = [
    ("kind: nvidia.com/gpu", [(("kind",), "nvidia.com/gpu")]),
    ("kind: 'nvidia.com/gpu' # ours", [(("kind",), "nvidia.com/gpu")]),
    ('"kind": "a\\"b"', [(("kind",), 'a"b')]),
    ("name: 'it''s'", [(("name",), "it's")]),
    ("- a\n- b", [((0,), "a"), ((1,), "b")]),
    (
        "a:\n- b: 1\n  c: 2\n- b: 3",
        [(("a", 0, "b"), "1"), (("a", 0, "c"), "2"), (("a", 1, "b"), "3")],
    ),
    (
        "a:\n    - b: 1\n    - b: 2\nd: 4",
        [(("a", 0, "b"), "1"), (("a", 1, "b"), "2"), (("d",), "4")],
    ),
    ("a:\n  b:\n  - c\n  d: e", [(("a", "b", 0), "c"), (("a", "d"), "e")]),
    ("-\n  a: 1", [((0, "a"), "1")]),
    ("- - b\n  - c", [((0, 0), "b"), ((0, 1), "c")]),
    ("--- \n# note\n\na: {}\nb: []\nc:\nd: ~\n...", []),
    ("- libx.so.535::/usr/lib/libx.so", [((0,), "libx.so.535::/usr/lib/libx.so")]),
    ("a: b#c", [(("a",), "b#c")]),
    ("a: 1\r\nb: 2\r\n", [(("a",), "1"), (("b",), "2")]),
    ("just words", [((), "just words")]),
    ("", []),
]
# What a reader of our own once got wrong, or refused.
OTHER_FORMS: list[tuple[str, Pairs]] = [
    (r'a: "gpu\x30"', [(("a",), "gpu0")]),
    (r'a: "gpu\u0030\t\\"', [(("a",), "gpu0\t\\")]),
    ('a: "gp\\\n  u0"', [(("a",), "gpu0")]),
    ('a: "one\n  two"', [(("a",), "one two")]),
    ("a: one\n   two\nb: 1", [(("a",), "one two"), (("b",), "1")]),
    ("a: [b, {c: d}]", [(("a", 0), "b"), (("a", 1, "c"), "d")]),
    ("a: [\n  b,\n  c,\n]", [(("a", 0), "b"), (("a", 1), "c")]),
    ('{"a": ["b"],\n\t"c": "d"}', [(("a", 0), "b"), (("c",), "d")]),
    ("a: |\n  b: c\n  d\n", [(("a",), "b: c\nd\n")]),
    ("a: >-\n  b\n  c\n", [(("a",), "b c")]),
    ("--- # comment\na: b\n", [(("a",), "b")]),
    ("%YAML 1.1\n---\na: b\n", [(("a",), "b")]),
    ("--- {a: b}", [(("a",), "b")]),
    ("? a\n: b", [(("a",), "b")]),
    ("'a b': c", [(("a b",), "c")]),
    ("a: &anchor b", [(("a",), "b")]),
    ("a: !!str 1", [(("a",), "1")]),
    ("\N{ZERO WIDTH NO-BREAK SPACE}a: b", [(("a",), "b")]),
]
REFUSED = [
    ("a:\n    b: 1\n  c: 2", "line 3: "),
    ("a: 1\n  b: 2", "line 2: mapping values are not allowed"),
    ("a:\n\tb: 1", "line 2: "),
    ("a: 'open", "line 1: "),
    ("a: b: c", "line 1: mapping values are not allowed"),
    ("a: &x b\nc: *x", "line 2: an alias is not supported"),
    ("a: &x [*x]", "line 1: an alias is not supported"),
    ("a: {b: c}\n<<: {d: e}", "line 2: merging with << is not supported"),
    ("a: 1\nb: 2\n'a': 3", "line 3: the key 'a' appears twice"),
    ("a: [{b: 1, b: 1}]", "line 1: the key 'b' appears twice"),
    ("? [a]\n: b", "line 1: a key must be a scalar"),
    ("a: !!binary aGk=", "line 1: the tag 'tag:yaml.org,2002:binary' is not supported"),
    ("a: !!int '5'", "line 1: the tag 'tag:yaml.org,2002:int' is not supported"),
    ("a: !!python/object:os.system x", "line 1: the tag 'tag:yaml.org,2002:python/object"),
    ("!!set {a}", "line 1: the tag 'tag:yaml.org,2002:set' is not supported"),
    ("- " * 33 + "a", "line 1: more than 32 levels are not supported"),
    ("{a: " * 100_000, "line 1: more than 32 levels are not supported"),
    ("[" * 100_000, "line 1: "),
    ('a: "\\UFFFFFFFF"', ""),
    ("a: \0", "it is not YAML: unacceptable character #x0000"),
]


@pytest.mark.parametrize(("text", "pairs"), BLOCKS + OTHER_FORMS)
def test_yaml_is_read_as_path_and_scalar(text: str, pairs: Pairs) -> None:
    assert list(read_yaml(text)) == pairs


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_refused_is_an_error_that_says_where_and_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        list(read_yaml(text))

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("0", "7", "-1", "12", "123456789012345678", "true", "false"),
        # PyYAML would make numbers and dates of these.
        *("1:0", "0:1", "190:20:30", "2001-01-01", "2001-12-14 21:59:43"),
        *("gpu0", "e5", "1e", "1.2.3", "0x", "_1", "all", "nu", "GPU-1e4", "yesterday", "=", "<<"),
    ],
)
def test_a_scalar_without_quotes_is_text_where_the_engines_read_what_is_written(text: str) -> None:
    assert list(read_yaml(f"a: {text}")) == [(("a",), text)]


@pytest.mark.parametrize(
    "text",
    [
        *("010", "08", "0o17", "0x1F", "0b101", "0777", "00", "-0", "+1", "1_000", "0_1", "1__0"),
        *("1.0", "1.10", ".5", "1e3", "1E3", "1.5e-3", ".inf", "-.INF", ".nan"),
        *("18446744073709551616", "9" * 5000),
        *("yes", "Yes", "YES", "no", "on", "Off", "y", "N", "True", "FALSE"),
    ],
)
def test_a_scalar_that_the_engines_read_otherwise_is_text_only_in_quotes(text: str) -> None:
    assert list(read_yaml(f"a: {text}\nb: '{text}'\nc: \"{text}\"")) == [
        (("a",), None),
        (("b",), text),
        (("c",), text),
    ]


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null_is_no_scalar(text: str) -> None:
    assert list(read_yaml(f"a: {text}\nb: {text!r}")) == [(("b",), text)]


def test_only_the_first_document_counts_as_it_does_for_the_engines() -> None:
    assert list(read_yaml("a: b\n---\na: c\n")) == [(("a",), "b")]


def test_a_billion_laughs_are_refused_at_the_first() -> None:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 64)]

    with pytest.raises(ValueError, match=r"^line 2: an alias is not supported$"):
        list(read_yaml("\n".join(lines)))


def read_or_refuse(text: str) -> Pairs | None:
    try:
        return list(read_yaml(text))
    except ValueError:
        return None


WITHOUT_LIBYAML = """\
import json, sys

sys.modules["yaml._yaml"] = None
from ramalama_accel.cdi.yaml import read_yaml

def read_or_refuse(text):
    try:
        return list(read_yaml(text))
    except ValueError:
        return None

print(json.dumps([read_or_refuse(text) for text in json.load(sys.stdin)]))
"""


def test_a_pyyaml_without_libyaml_reads_the_same_but_for_tabs() -> None:
    texts = [text for text, _ in [*BLOCKS, *OTHER_FORMS, *REFUSED] if "\t" not in text]

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBYAML],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == json.loads(json.dumps([read_or_refuse(t) for t in texts]))


@given(st.text(alphabet="ab:- \n\t#'\"{}[]&*|>\\<!?,%0x", max_size=200))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        pairs = list(read_yaml(text))
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert len(dict(pairs)) == len(pairs)
