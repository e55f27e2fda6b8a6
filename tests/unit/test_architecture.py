"""What holds the house together: who imports whom, what an import costs, what is public."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import ramalama
from ramalama.planning import labels
from tests.unit.accel.made_up_hosts import make

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
HOMES = {
    "ramalama": ROOT,
    "ramalama_engines": ROOT / "engines",
    "ramalama_accel": ROOT / "accel",
    "ramalama_chat": ROOT / "chat",
    "ramalama_values": ROOT / "values",
}
GROUND = "ramalama_values"
LEAVES = [package for package in HOMES if package not in {"ramalama", GROUND}]
SDKS = {
    "podman",
    "docker",
    "openai",
    "httpx2",
    "mcp",
    "requests",
    "requests_unixsocket",
    "tenacity",
    "rich",
    "yaml",
}

DOCUMENTS = sorted(
    (
        *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("ramalama/**/README.md"),
    )
)

# Each module is imported by a process of its own, forked from one that has imported nothing, as
# many at once as there are processors. None in sys.modules makes an import fail.
IMPORT_EACH = """\
import os, sys
from importlib import import_module

forbidden, modules = sys.argv[1].split(), sys.argv[2:]
children = {}

def wait():
    child, status = os.wait()
    module = children.pop(child)
    if status:
        print(module)

for module in modules:
    if len(children) >= os.cpu_count():
        wait()
    if (child := os.fork()) == 0:
        sys.modules.update(dict.fromkeys(forbidden))
        import_module(module)
        os._exit(0)
    children[child] = module
while children:
    wait()
"""
WHAT_IS_LOADED = """\
import io, json, sys

before, stdout = set(sys.modules), sys.stdout
sys.stdout = io.StringIO()
exec(sys.argv[1])
sys.stdout = stdout
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def sources(package: str) -> Iterator[Path]:
    return (HOMES[package] / package).rglob("*.py")


def modules(package: str) -> list[str]:
    """Name all modules of *package*, but for the one that runs when it is imported."""
    parts = (path.relative_to(HOMES[package]).with_suffix("").parts for path in sources(package))
    names = {".".join(part for part in path if part != "__init__") for path in parts}
    return sorted(names - {"ramalama.__main__"})


def python(program: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(statement: str) -> set[str]:
    """Return the modules that *statement* loads in a fresh interpreter."""
    return set(json.loads(python(WHAT_IS_LOADED, statement)))


@pytest.mark.parametrize("package", HOMES)
def test_every_module_can_be_the_first_that_is_imported_and_leaves_need_nobody(
    package: str,
) -> None:
    below = {package, GROUND}
    forbidden = () if package == "ramalama" else (name for name in HOMES if name not in below)

    failed = python(IMPORT_EACH, " ".join(forbidden), *modules(package))

    assert failed == ""


@pytest.mark.parametrize("package", HOMES)
def test_importing_a_package_loads_no_sdk(package: str) -> None:
    assert loaded(f"import {package}") & SDKS == set()


def test_importing_ramalama_loads_nothing_else() -> None:
    assert loaded("import ramalama") == {"__future__", "ramalama", "ramalama._version"}


def test_showing_text_and_telling_json_apart_loads_nothing_more_than_the_values_do() -> None:
    helpers = {"ramalama_values.json", "ramalama_values.text"}

    more = loaded("import ramalama_values.json, ramalama_values.text")

    assert more - loaded("import ramalama_values") == helpers


@pytest.mark.parametrize("leaf", LEAVES)
def test_importing_a_leaf_loads_no_other_package_of_ours(leaf: str) -> None:
    roots = {name.partition(".")[0] for name in loaded(f"import {leaf}")}

    assert roots & HOMES.keys() <= {leaf, GROUND}


def test_making_options_and_a_plan_loads_no_sdk() -> None:
    statement = "import ramalama; ramalama.ServeOptions, ramalama.Ramalama, ramalama.ModelServer"

    assert loaded(statement) & SDKS == set()


@pytest.mark.parametrize(
    ("host", "needed"),
    [("cdi-out-of-date", set[str]()), ("two-radeons", set[str]()), ("two-geforces", {"yaml"})],
)
def test_only_a_cdi_specification_in_yaml_loads_a_yaml_parser(
    tmp_path: Path, host: str, needed: set[str]
) -> None:
    make(host, tmp_path)
    imports = "from pathlib import Path; from ramalama_accel import Host, detect"

    names = loaded(f"{imports}; detect(Host(root=Path({str(tmp_path)!r}), env={{}}))")

    assert names & SDKS == needed


# How many modules more than a bare interpreter; a count, since times vary from day to day.
@pytest.mark.parametrize(
    ("words", "at_most"),
    [(["version"], 6), (["--version"], 6), (["--help"], 40), (["help"], 40), (["run", "-h"], 220)],
)
def test_a_command_that_needs_no_engine_loads_little(words: list[str], at_most: int) -> None:
    statement = f"from ramalama.cli import main\ntry: main({words})\nexcept SystemExit: pass"

    names = loaded(statement)

    assert len(names) <= at_most
    assert names & SDKS == set()


def imported_names(package: str) -> Iterator[tuple[Path, str]]:
    for source in sources(package):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((source, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((source, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("package", HOMES)
def test_no_module_runs_a_program(package: str) -> None:
    """Nothing is shelled out: an engine is its API, and an accelerator is what files say.

    But for two things: a keychain has no other door than docker's credential helpers, and `serve
    -d --rag` leaves this program itself in the background.
    """
    runners = {"subprocess", "pty", "pexpect", "shutil.which", "asyncio.subprocess"}
    exceptions = ["credentials.py: subprocess", "rag_process.py: subprocess"]
    calls = [
        f"{source.name}: {name}" for source, name in imported_names(package) if name in runners
    ]
    excepted = sorted(call for call in calls if call in exceptions)
    assert excepted == (exceptions if package == "ramalama" else [])
    calls = [call for call in calls if call not in exceptions]
    calls += [
        f"{source.name}: os.{node.attr}"
        for source in sources(package)
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr.startswith(("system", "popen", "exec", "spawn", "posix_spawn", "fork"))
    ]

    assert calls == []


@pytest.mark.parametrize("package", HOMES)
def test_any_is_at_home_in_the_adapters_alone(package: str) -> None:
    users = {source for source, name in imported_names(package) if name == "typing.Any"}
    adapters = {"podman", "docker", "rest", "ssh"} if package == "ramalama_engines" else set[str]()

    assert {user for user in users if user.parent.name not in adapters} == set()


@pytest.mark.parametrize("package", HOMES)
def test_no_function_is_longer_than_a_screen(package: str) -> None:
    long = [
        f"{source.name}: {node.name}"
        for source in sources(package)
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 40
    ]

    assert long == []


@pytest.mark.parametrize("package", HOMES)
def test_every_module_says_what_it_is_for(package: str) -> None:
    silent = [
        str(source)
        for source in sources(package)
        if not ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    ]

    assert silent == []


def is_there(name: str, document: Path) -> bool:
    """Find a file by its path from the root, the product, or the document's own package.

    A name without a folder may be anywhere below the document.
    """
    if "/" not in name:
        folders = (path for path in document.parent.iterdir() if not path.name.startswith("."))
        return any(True for folder in folders for _ in folder.rglob(name)) or (
            document.with_name(name).is_file()
        )
    below = (document.parent, *document.parent.glob("ramalama_*"))
    return any((base / name).is_file() for base in (ROOT, ROOT / "ramalama", *below))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_source_file_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w/.-])(?:[\w-]+/)*[\w-]+\.py\b", text)
    named = [name for name in named if "NAME" not in name]  # the reader's own

    assert [name for name in named if not is_there(name, document)] == []


def constants_first(name: str) -> tuple[int, str]:
    """Order names as isort does: constants, classes, and the others."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("package", HOMES)
def test_what_a_module_lists_as_public_is_in_order_and_there(package: str) -> None:
    doors = [import_module(name) for name in modules(package)]
    doors = [door for door in doors if "__all__" in vars(door)]

    for door in doors:
        names: list[str] = door.__all__
        assert names == sorted(set(names), key=constants_first)
        assert all(hasattr(door, name) for name in names)
    assert package in [door.__name__ for door in doors]


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_hides_nothing_that_its_door_has(leaf: str) -> None:
    door = import_module(leaf)
    names = {
        name
        for name, value in vars(door).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert names - {"TYPE_CHECKING"} <= set(door.__all__)


@pytest.mark.parametrize("name", ramalama.__all__)
def test_every_public_name_is_there_when_it_is_first_used(name: str) -> None:
    assert getattr(ramalama, name) is getattr(ramalama, name)
    assert name in dir(ramalama)


@pytest.mark.parametrize("name", ["nonsense", "UnixEndpoint", "__path_to__"])
def test_a_name_that_is_not_public_is_none(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'ramalama' has no attribute '{name}'"):
        getattr(ramalama, name)


def test_type_checkers_and_users_see_the_same_public_names() -> None:
    tree = ast.parse((ROOT / "ramalama/__init__.py").read_text(encoding="utf-8"))
    blocks = [each.body for each in tree.body if isinstance(each, ast.If)]
    typed = {
        alias.name
        for node in (*tree.body, *(node for block in blocks for node in block))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("ramalama.", "ramalama_"))
        for alias in node.names
    }

    assert typed == set(ramalama.__all__)


def test_the_labels_that_scripts_rely_on_stay_as_they_are() -> None:
    assert (labels.LABEL, labels.MODEL_LABEL, labels.OWNER_LABEL) == (
        "ai.ramalama",
        "ai.ramalama.model",
        "ai.ramalama.owner",
    )
    assert (labels.INSTANCE_LABEL, labels.PLAN_LABEL, labels.PORT_LABEL) == (
        "ai.ramalama.instance",
        "ai.ramalama.plan",
        "ai.ramalama.port",
    )
