"""Each test that imports openai does so in an interpreter of its own."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ramalama_chat.client._light_import import import_lightly, parse_reexports


def run(program: str, stdin: str = "") -> str:
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, check=True, input=stdin, capture_output=True, text=True)
    return done.stdout


LIGHTLY = "from ramalama_chat.client._openai import openai\n"

# Print what each name of each package under openai.types is: those on standard input, or all.
DESCRIBE = """
import importlib, json, pkgutil, sys, types
import openai.types
def describe(value):
    if isinstance(value, types.ModuleType):
        return value.__name__
    return [getattr(value, "__module__", ""), getattr(value, "__qualname__", ""), repr(value)]
packages = ["openai.types", *sorted(
    module.name for module in pkgutil.walk_packages(openai.types.__path__, "openai.types.")
    if module.ispkg
)]
asked = json.loads(sys.stdin.read() or "{}")
described = {}
for name in packages:
    package = importlib.import_module(name)
    names = [public for public in dir(package) if not public.startswith("_")]
    described[name] = {each: describe(getattr(package, each)) for each in asked.get(name, names)}
print(json.dumps(described))
"""


def test_every_name_of_openai_types_is_there_and_the_same() -> None:
    whole = run(DESCRIBE)
    light = run(LIGHTLY + DESCRIBE, stdin=whole)

    assert len(json.loads(whole)["openai.types"]) > 100
    assert json.loads(light) == json.loads(whole)


def test_a_chat_loads_no_type_that_it_does_not_need() -> None:
    loaded = "import sys; print(sum(name.startswith('openai.') for name in sys.modules))"

    assert int(run(LIGHTLY + loaded)) < 100 < int(run(f"import openai; {loaded}"))


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            "from openai.types import *; assert issubclass(Batch, openai.BaseModel)", id="star"
        ),
        pytest.param(
            "import openai.types.beta; assert openai.types.beta.Assistant.model_fields", id="dotted"
        ),
        pytest.param(
            "from openai.types.responses import Response\n"
            "import openai.types.responses.response as r; assert r.Response is Response",
            id="one-object-whichever-way",
        ),
        pytest.param(
            "from openai.types import Batch; import pickle\n"
            "assert pickle.loads(pickle.dumps(Batch)) is Batch",
            id="pickle",
        ),
        pytest.param(
            "assert openai.types.chat.completion_create_params.__name__ == "
            "'openai.types.chat.completion_create_params'",
            id="submodule-as-attribute",
        ),
        pytest.param(
            "assert 'Batch' in dir(openai.types) and not hasattr(openai.types, 'Nonsense')\n"
            "assert not hasattr(openai.types, '__nonsense__')",
            id="dir-and-hasattr",
        ),
        pytest.param(
            "import inspect; assert 'import Batch' in inspect.getsource(openai.types)", id="source"
        ),
        pytest.param(
            "import importlib; m = importlib.reload(openai.types); assert 'Batch' in vars(m)",
            id="reload-makes-it-whole",
        ),
        pytest.param(
            "import sys; assert not any('Reexport' in repr(f) for f in sys.meta_path)",
            id="the-finder-has-gone",
        ),
        pytest.param(
            "c = openai.OpenAI(api_key='x')\n"
            "c.responses, c.beta.assistants, c.chat.completions, c.audio.speech, c.embeddings",
            id="every-resource-is-usable",
        ),
    ],
)
def test_later_users_of_the_sdk_notice_no_difference(program: str) -> None:
    run(LIGHTLY + program)


def test_an_application_that_has_imported_openai_keeps_its_own() -> None:
    run(f"import openai as theirs\n{LIGHTLY}assert openai is theirs; vars(openai.types)['Batch']")


def test_after_a_preload_a_client_has_nothing_left_to_import() -> None:
    run(
        "import sys; from ramalama_chat import UnixEndpoint, open_client, preload\n"
        "preload(); before = set(sys.modules)\n"
        "open_client(UnixEndpoint('/nowhere')).close(); assert set(sys.modules) == before"
    )


def test_importing_the_leaf_imports_no_sdk() -> None:
    heavy = run(
        "import sys, ramalama_chat\n"
        "print({'openai', 'httpx2', 'pydantic', 'tenacity', 'asyncio'} & set(sys.modules))"
    )

    assert heavy == "set()\n"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from .a import B as B\nfrom .c import D", {"B": (".a", "B"), "D": (".c", "D")}),
        ('"""Doc."""\nfrom .a import (\n    B as C,\n)', {"C": (".a", "B")}),
        (
            "from __future__ import annotations\nfrom .a import B",
            {"annotations": ("__future__", "annotations"), "B": (".a", "B")},
        ),
        (
            "from .a import (  # why\n    B,  # and (how)\n    # D,\n    E as E,\n)",
            {"B": (".a", "B"), "E": (".a", "E")},
        ),
        (
            "# a comment\n\nfrom .a.b import B, D as E  # why",
            {"B": (".a.b", "B"), "E": (".a.b", "D")},
        ),
        ("", {}),
        ("from .a import B; B.rebuild()", None),
        ("from .a import B \\\n    , D", None),
        ("if B:\n    from .a import B", None),
        ("from .a import (B as C as D)", None),
        ("from .a import *", None),
        ("from ..a import B", None),
        ("from a import B", None),
        ("from . import a", None),
        ("import a", None),
        ("from .a import B\nB.rebuild()", None),
        ("from .a import B\nX = 1", None),
        ("from .taken import B\nfrom .a import taken", None),
    ],
)
def test_only_a_package_of_mere_reexports_is_postponed(
    source: str, names: dict[str, tuple[str, str]] | None
) -> None:
    assert parse_reexports(source, frozenset({"a", "c", "taken"})) == names


def write_package(root: Path, name: str, **files: str) -> None:
    for path, source in files.items():
        file = root / name / f"{path.replace('__slash__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to import from."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def test_a_name_is_imported_when_it_is_first_asked_for(site: Path) -> None:
    write_package(
        site,
        "sdk_one",
        __init__="from . import types",
        types__slash____init__="from .dear import Dear",
        types__slash__dear="Dear = object()",
    )

    sdk = import_lightly("sdk_one")

    assert "sdk_one.types.dear" not in sys.modules
    assert sdk.types.Dear is importlib.import_module("sdk_one.types.dear").Dear


def test_a_package_that_cannot_be_imported_lightly_is_imported_whole(site: Path) -> None:
    write_package(
        site,
        "sdk_two",
        __init__="from . import types\nOPTIONS = vars(types)['OPTIONS']",
        types__slash____init__="from .options import OPTIONS",
        types__slash__options="OPTIONS = 7",
    )

    sdk = import_lightly("sdk_two")

    assert sdk.OPTIONS == 7


def test_a_package_that_cannot_be_imported_at_all_says_why(site: Path) -> None:
    write_package(site, "sdk_three", __init__="raise RuntimeError('broken')")

    with pytest.raises(RuntimeError, match="broken"):
        import_lightly("sdk_three")

    assert "sdk_three" not in sys.modules


def test_a_failure_behind_a_name_is_not_mistaken_for_a_missing_name(site: Path) -> None:
    write_package(
        site,
        "sdk_four",
        __init__="from . import types",
        types__slash____init__="from .dear import Dear",
        types__slash__dear="Dear = 1",
        types__slash__needy="import nothing_of_the_sort",
    )

    sdk = import_lightly("sdk_four")

    with pytest.raises(ModuleNotFoundError, match="nothing_of_the_sort"):
        _ = sdk.types.needy
