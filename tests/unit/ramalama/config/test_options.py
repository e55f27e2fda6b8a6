"""Values of options that no server can have."""

from __future__ import annotations

import math
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ramalama.config.config import Config
from ramalama.config.options import ServeOptions
from ramalama.errors import ConfigError, OptionRefused
from ramalama.models.options import ModelFormat, PullOptions, PushOptions
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.serving.request import StartRequest
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.kinds import EngineKind, PullPolicy
from ramalama_engines.spec import HostDevice

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama_values.errors import RamalamaError

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
        ("runtime_args", "--verbose", "a list of words"),
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


WRONG = (
    pytest.param(object(), id="object"),
    pytest.param(b"bytes", id="bytes"),
    pytest.param([object()], id="list of objects"),
    pytest.param({7: object()}, id="table of objects"),
    pytest.param(math.nan, id="nan"),
    pytest.param(2.5j, id="complex"),
)
WRONG_TEXTS = {"runtime", "pull_policy", "api", "pull", "engine", "transport", "color"}
WRONG_TEXTS |= {"wanted", "kind", "model", "draft", "runtime_args", "devices", "env", "ctx_size"}
WRONG_TEXTS |= {"threads", "temp", "seed", "parallel", "ngl", "memory", "port", "engine_url"}
WRONG_TEXTS |= {"images", "mcp", "sources", "warnings", "tls_verify", "selinux", "privileged"}
WRONG_TEXTS |= {"keep_groups", "embeddings", "force", "offline"}
CLASSES = (
    (OPTIONS, OptionRefused),
    (PullOptions(), OptionRefused),
    (PushOptions(), OptionRefused),
    (Config(), ConfigError),
)
FIELDS = [(values, each, error) for values, error in CLASSES for each in fields(values)]
IDS = [f"{type(values).__name__}.{each.name}" for values, each, _ in FIELDS]


def refused(values: object, each: Field[object], error: type[RamalamaError], value: object) -> str:
    """Return what is said of *value* in a field; it must begin with the name of the field."""
    make: Callable[..., object] = type(values)
    model = {"model": OPTIONS.model} if values is OPTIONS else {}
    with pytest.raises(error, match=rf"^{each.name} is (not )?\w+ .*") as caught:
        make(**{**model, each.name: value})
    return str(caught.value)


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(("values", "each", "error"), FIELDS, ids=IDS)
def test_a_value_of_a_wrong_type_is_refused_at_once_with_the_name_of_its_field(
    values: object, each: Field[object], error: type[RamalamaError], value: object
) -> None:
    refused(values, each, error, value)


@pytest.mark.parametrize(("values", "each", "error"), FIELDS, ids=IDS)
def test_only_a_field_that_takes_a_text_takes_one(
    values: object, each: Field[object], error: type[RamalamaError]
) -> None:
    if each.name in WRONG_TEXTS:
        assert "hunter2" in refused(values, each, error, "hunter2") or each.name in SECRETS
    else:
        assert getattr(replace(values, **{each.name: "x"}), each.name) in ("x", Path("x"))  # type: ignore[type-var]  # mypy does not see that all are dataclasses


SECRETS = {"engine_url", "mcp"}


@pytest.mark.parametrize(("values", "each", "error"), FIELDS, ids=IDS)
def test_a_field_is_none_only_if_that_is_its_default(
    values: object, each: Field[object], error: type[RamalamaError]
) -> None:
    if each.default is None:
        assert getattr(replace(values, **{each.name: None}), each.name) is None  # type: ignore[type-var]  # see above
    else:
        refused(values, each, error, None)


def test_lists_are_tuples_and_texts_are_what_they_name() -> None:
    given = {
        "runtime_args": ["--verbose"],
        "devices": [HostDevice(source="/dev/fuse")],
        "authfile": "a",
    }
    options = replace(OPTIONS, **given)  # type: ignore[arg-type]  # see above
    config = Config(
        runtime="vllm",
        pull="never",
        engine="docker",
        transport="hf",
        env=["A=1"],  # type: ignore[arg-type]  # see above
    )

    assert options.runtime_args == ("--verbose",)
    assert options.devices == (HostDevice(source="/dev/fuse"),)
    assert options.authfile == Path("a")
    assert (config.runtime, config.pull) == (RuntimeName.VLLM, PullPolicy.NEVER)
    assert (config.engine, config.transport) == (EngineKind.DOCKER, Scheme.HUGGINGFACE)
    assert config.env == ("A=1",)
    assert PullOptions(wanted="safetensors").wanted is ModelFormat.SAFETENSORS  # type: ignore[arg-type]  # see above


@pytest.mark.parametrize(
    "env", [{"": "x"}, {"A=B": "x"}, {"A": 1}, {"A": "x\0"}, {1: "x"}, ["A=1"], "A=1"]
)
def test_a_variable_has_a_name_and_a_text(env: object) -> None:
    with pytest.raises(OptionRefused, match=r"^env is a mapping of names to texts, not "):
        ServeOptions(model=OPTIONS.model, env=cast("dict[str, str]", env))


def test_a_table_that_is_changed_later_changes_no_options() -> None:
    env = {"A": "1"}
    options = ServeOptions(model=OPTIONS.model, env=env)

    env["A"] = "2"

    assert options.env == {"A": "1"}
