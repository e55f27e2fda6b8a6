"""What type checkers and programs learn from the types of the public names."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, get_args, get_type_hints

import pytest

import ramalama
import ramalama_accel
import ramalama_chat
import ramalama_engines
from ramalama import events
from ramalama_values import LateAnnotations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGES = (ramalama, ramalama_accel, ramalama_chat, ramalama_engines)
ROOT = Path(__file__).parents[2]
DOORS = (
    "ramalama/__init__.py",
    "accel/ramalama_accel/__init__.py",
    "chat/ramalama_chat/__init__.py",
    "engines/ramalama_engines/__init__.py",
)


@pytest.fixture
def nonsense(tmp_path: Path) -> Path:
    """Return a program that imports a name from each door that no door has."""
    file = tmp_path / "nonsense.py"
    packages = (Path(door).parent.name for door in DOORS)
    file.write_text("".join(f"from {package} import Nonsense\n" for package in packages))
    return file


def test_mypy_refuses_a_name_that_is_not_public(nonsense: Path) -> None:
    # Only the doors are read: what they import is Any, which saves ten seconds.
    options = ("--follow-imports=skip", "--no-incremental", "--no-warn-unused-ignores")
    command = [sys.executable, "-m", "mypy", *options, str(nonsense), *DOORS]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)

    refused = [line for line in done.stdout.splitlines() if 'has no attribute "Nonsense"' in line]
    assert len(refused) == len(DOORS), done.stdout + done.stderr


def test_pyright_refuses_a_name_that_is_not_public(nonsense: Path) -> None:
    # A settings file of its own: with that of the checkout, pyright would read every file.
    settings = {
        "include": [str(nonsense)],
        "extraPaths": [str((ROOT / door).parents[1]) for door in DOORS],
    }
    nonsense.with_name("pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "-p", str(nonsense.parent)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)

    found: list[dict[str, object]] = json.loads(done.stdout)["generalDiagnostics"]
    refused = [each for each in found if '"Nonsense" is unknown import symbol' in str(each)]
    assert len(refused) == len(DOORS), done.stdout + done.stderr


def parts(value: object) -> Iterator[object]:
    """Yield a class and its methods, or a function."""
    yield value
    if isinstance(value, type):
        for member in vars(value).values():
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if isinstance(function, FunctionType):
                yield function


PUBLIC = [
    *((package, name) for package in PACKAGES for name in package.__all__),
    *((events, name) for name in vars(events) if isinstance(getattr(events, name), type)),
]


@pytest.mark.parametrize(
    ("home", "name"), PUBLIC, ids=[f"{home.__name__}.{name}" for home, name in PUBLIC]
)
def test_the_types_of_a_public_name_and_of_its_methods_can_be_had_at_run_time(
    home: ModuleType, name: str
) -> None:
    for part in parts(getattr(home, name)):
        if isinstance(part, type | FunctionType):
            get_type_hints(part)
            inspect.get_annotations(part)
        if isinstance(part, FunctionType):
            inspect.signature(part, eval_str=True)


def test_the_types_are_those_that_the_source_names() -> None:
    import openai  # noqa: PLC0415 (slow)

    assert get_type_hints(ramalama.ModelServer.client)["return"] is openai.OpenAI
    assert get_type_hints(ramalama.ServeOptions)["model"] is ramalama.ModelRef
    assert get_type_hints(ramalama.Config)["runtime"] is ramalama.RuntimeName
    assert get_type_hints(events.ImagePulling)["progress"] is ramalama_engines.PullProgress


def test_a_class_that_is_only_named_in_a_type_can_be_asked_for_its_types_too() -> None:
    (listed,) = get_args(get_type_hints(ramalama.Models.list)["return"])

    assert listed.__name__ == "ListedModel"
    assert get_type_hints(listed)["reference"] is ramalama.ModelRef
    for part in parts(get_type_hints(ramalama.ModelServer.chat)["return"]):
        get_type_hints(part)


def test_what_types_name_is_imported_only_for_those_who_ask() -> None:
    program = (
        "import sys, ramalama; ramalama.Ramalama, ramalama.ModelServer, ramalama.serve\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)

    assert set(done.stdout.decode().split()) & {"openai", "ramalama_chat.session"} == set()


def test_annotations_are_read_in_every_way_that_a_dict_has() -> None:
    written = {"one": "int", "other": "str"}
    late = LateAnnotations(dict[str, object](written), module="none")

    assert dict(late) == {**late} == dict(late.items()) == written
    assert list(late) == list(late.keys()) == list(written)
    assert list(late.values()) == ["int", "str"]
