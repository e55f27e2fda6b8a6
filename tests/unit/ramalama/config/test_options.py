"""Values of options that no server can have."""

from __future__ import annotations

import math
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import pytest

import ramalama
from ramalama.config import words
from ramalama.config.api_name import SYNONYMS, ApiName
from ramalama.config.config import Config
from ramalama.config.options import ServeOptions
from ramalama.errors import ConfigError, OptionRefused
from ramalama.models import options as model_options
from ramalama.models.options import ModelFormat, PullOptions, PushKind, PushOptions
from ramalama.models.reference.reference import ModelRef
from ramalama.serving.request import StartRequest
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.kinds import EngineKind, PullPolicy
from ramalama_engines.spec import HostDevice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from enum import StrEnum

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


@pytest.mark.parametrize(
    ("name", "value"), [("reuse", "x"), ("on_event", 5), ("on_event", None), ("cancel", 5)]
)
def test_what_a_start_is_given_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(OptionRefused, match=f"{name} is .*, not {value!r}"):
        StartRequest(options=OPTIONS, **{name: value})  # type: ignore[arg-type]  # mypy does not know the names


def test_what_is_no_handle_is_refused_by_its_name() -> None:
    start = cast("Callable[..., object]", ramalama.start)
    with pytest.raises(OptionRefused, match="using is a Ramalama or None, not 5"):
        start("x", using=5)


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
NO_TEXTS = frozenset(
    """api color ctx_size devices draft embeddings engine engine_url env force images keep_groups
    kind mcp memory model ngl offline parallel port privileged pull pull_policy runtime
    runtime_args seed selinux sources temp threads tls_verify transport wanted warnings""".split()  # noqa: SIM905 (as one text it is shorter)
)
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
    if each.name in NO_TEXTS:
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
    fuse = HostDevice(source="/dev/fuse", target="/dev/fuse")
    options = ServeOptions(
        model=OPTIONS.model,
        runtime="vllm",
        api="ogx",
        pull_policy="never",
        runtime_args=["--verbose"],
        devices=[fuse],
        authfile="auth.json",
    )
    config = Config(engine="docker", runtime="vllm", api="none", pull="never", env=["A=1"])
    pull = PullOptions(wanted="safetensors", authfile="auth.json")

    assert (options.runtime, options.api) == (RuntimeName.VLLM, ApiName.LLAMA_STACK)
    assert options.pull_policy is PullPolicy.NEVER
    assert (options.runtime_args, options.devices) == (("--verbose",), (fuse,))
    assert options.authfile == pull.authfile == Path("auth.json")
    assert (config.engine, config.runtime) == (EngineKind.DOCKER, RuntimeName.VLLM)
    assert (config.pull, config.env) == (PullPolicy.NEVER, ("A=1",))
    assert (pull.wanted, PushOptions(kind="car").kind) == (ModelFormat.SAFETENSORS, PushKind.CAR)


def words_of(alias: object, kind: type[StrEnum], synonyms: Iterable[str] = ()) -> bool:
    return {*get_args(alias)} == {*kind, *synonyms}


def test_type_checkers_know_the_words_that_are_taken() -> None:
    assert words_of(words.RuntimeWord, RuntimeName)
    assert words_of(words.ApiWord, ApiName, SYNONYMS)
    assert words_of(words.PullWord, PullPolicy)
    assert words_of(words.EngineWord, EngineKind)
    assert words_of(model_options.FormatWord, ModelFormat)
    assert words_of(model_options.PushWord, PushKind)


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


def test_what_is_printed_of_options_is_what_was_said() -> None:
    reference = ModelRef.parse("smollm2:135m")
    options = ServeOptions(model=reference, ctx_size=8192, runtime="vllm", api_key="hunter2")

    assert repr(reference) == "ModelRef.parse('ollama://library/smollm2:135m')"
    assert repr(options) == (
        f"ServeOptions(model={reference!r}, runtime=<RuntimeName.VLLM: 'vllm'>, ctx_size=8192)"
    )
    assert repr(PullOptions(offline=True)) == "PullOptions(offline=True)"
    assert repr(Config()) == "Config()"


def test_of_variables_only_the_names_are_printed() -> None:
    options = ServeOptions(model=OPTIONS.model, env={"HF_TOKEN": "hunter2"})

    assert repr(options).endswith("env=['HF_TOKEN'])")
    assert repr(Config(env=("HF_TOKEN=hunter2", "HOME"))) == "Config(env=['HF_TOKEN', 'HOME'])"
