"""Values of options that no server can have."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from ramalama.config.options import ServeOptions
from ramalama.errors import OptionRefused
from ramalama.models.reference.reference import ModelRef
from ramalama.serving.request import StartRequest
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.kinds import PullPolicy

OPTIONS = ServeOptions(model=ModelRef.parse("/models/granite.gguf"))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ctx_size", -1, "a whole number of 0 or more"),
        ("ctx_size", "8192", "a whole number of 0 or more"),
        ("threads", 0, "a whole number of 1 or more"),
        ("parallel", 1.5, "a whole number of 1 or more"),
        ("ngl", -2, "a whole number of -1 or more"),
        ("memory", -1, "a size such as 512m or 8g, or none"),
        ("memory", "8g", "a number of bytes, 0 for none"),
        ("memory", 2**63, "a size such as 512m or 8g, or none"),
        ("port", 0, "a whole number from 1 to 65535"),
        ("port", 65536, "a whole number from 1 to 65535"),
        ("ctx_size", True, "a whole number of 0 or more"),
        ("temp", True, "a temperature of 0 or more"),
        ("privileged", "no", "true or false"),
        ("selinux", "false", "true or false"),
        ("force", 0, "true or false"),
        ("seed", "x", "a whole number of 64 bits"),
        ("temp", "hot", "a temperature of 0 or more"),
        ("temp", math.nan, "a temperature of 0 or more"),
        ("temp", math.inf, "a temperature of 0 or more"),
        ("ngl", None, "a whole number of -1 or more"),
        ("ngl", "all", "a whole number of -1 or more"),
        ("seed", 2**64, "a whole number of 64 bits"),
        ("network", "", "a text"),
        ("image", 5, "a text"),
        ("name", "a\0", "a text"),
        ("runtime", "vlm", "one of llama.cpp, vllm"),
        ("pull_policy", "sometimes", "one of always, missing, never, newer"),
        ("runtime_args", "--verbose", "a tuple of words"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name: str, value: object, expected: str) -> None:
    with pytest.raises(OptionRefused) as caught:
        replace(OPTIONS, **{name: value})  # type: ignore[arg-type]  # which is what it is about

    assert str(caught.value) == f"{name} is {expected}, not {value!r}"


@pytest.mark.parametrize("name", ["keep_alive", "ready_timeout"])
@pytest.mark.parametrize("value", [-1, math.nan, "5m"])
def test_a_time_that_is_none_is_refused(name: str, value: object) -> None:
    seconds = cast("float", value)

    with pytest.raises(OptionRefused, match=f"{name} is a number of seconds, 0 or more, not "):
        StartRequest(options=OPTIONS, **{name: seconds})  # type: ignore[arg-type]  # mypy does not know the names


def test_words_may_be_texts() -> None:
    spelled = {"runtime": "vllm", "pull_policy": "never"}

    options = replace(OPTIONS, **spelled)  # type: ignore[arg-type]  # see above

    assert (options.runtime, options.pull_policy) == (RuntimeName.VLLM, PullPolicy.NEVER)
    assert isinstance(options.pull_policy, PullPolicy)


def test_documents_named_by_a_path_are_never_those_of_an_image() -> None:
    def named(rag: str | Path) -> object:
        return ServeOptions(model=OPTIONS.model, rag=rag).rag

    assert named("quay.io/me/docs") == "quay.io/me/docs"
    assert named(Path("docs")) == "./docs"
    assert named(Path("/srv/docs")) == "/srv/docs"


@pytest.mark.parametrize("rag", ["", "a\0b", Path("a\0b"), 7])
def test_documents_need_a_name(rag: object) -> None:
    with pytest.raises(OptionRefused, match="rag is a text or a path"):
        ServeOptions(model=OPTIONS.model, rag=cast("str", rag))
