"""What is shipped, and whether it stands on its own."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from ramalama import __version__

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

ROOT = Path(__file__).parents[2]
HOMES = {
    "ramalama": ROOT,
    "ramalama_engines": ROOT / "engines",
    "ramalama_accel": ROOT / "accel",
    "ramalama_chat": ROOT / "chat",
    "ramalama_values": ROOT / "values",
}
WHEEL = f"ramalama-{__version__}-py3-none-any.whl"
SDIST = f"ramalama-{__version__}.tar.gz"
DIST_INFO = f"ramalama-{__version__}.dist-info"


def run(*words: str | Path) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(directory: Path, *options: str) -> Path:
    """Build below *directory*, with the backend of this environment if there is one."""
    isolation = ["--no-isolation"] if find_spec("hatchling") else []
    run(sys.executable, "-m", "build", *isolation, *options, "--outdir", directory, ROOT)
    return directory / WHEEL


@dataclass(frozen=True, kw_only=True)
class Wheels:
    """The wheel from the working tree, and from the source distribution made of that."""

    direct: Path
    of_sdist: Path

    @property
    def sdist(self) -> Path:
        return self.of_sdist.with_name(SDIST)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    with ThreadPoolExecutor() as pool:
        direct = pool.submit(build, tmp_path_factory.mktemp("direct"), "--wheel")
        of_sdist = pool.submit(build, tmp_path_factory.mktemp("sdist"))
    return Wheels(direct=direct.result(), of_sdist=of_sdist.result())


def files(wheel: Path) -> list[str]:
    with ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def tree() -> Generator[Path]:
    """Yield what lies in the folders of the working tree, by its path there, if git takes it."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    ignored = [line.strip("/") for line in lines]
    for directory, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name != ".git" and not any(fnmatchcase(name, pattern) for pattern in ignored)
        ]
        where = Path(directory).relative_to(ROOT)
        yield from (where / name for name in names if where.parts)


def shipped_folders() -> Generator[tuple[Path, Path]]:
    """Yield each folder of the tree that is shipped, and where in the wheel it goes."""
    for package, home in HOMES.items():
        yield home.relative_to(ROOT) / package, Path(package)
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
    for folder, shipped_as in hatch["build"]["targets"]["wheel"]["force-include"].items():
        yield Path(folder), Path(shipped_as)


def is_design_note(path: Path) -> bool:
    return path.parts[0] == "ramalama" and path.name == "README.md"


def test_both_ways_to_build_ship_what_lies_in_the_packages_but_for_the_design_notes(
    wheels: Wheels,
) -> None:
    shipped = files(wheels.direct)

    assert files(wheels.of_sdist) == shipped
    assert [name for name in shipped if not name.startswith(DIST_INFO)] == sorted(
        str(shipped_as / path.relative_to(folder))
        for folder, shipped_as in shipped_folders()
        for path in tree()
        if path.is_relative_to(folder) and not is_design_note(path)
    )


def test_the_source_distribution_is_the_tree(wheels: Wheels) -> None:
    with tarfile.open(wheels.sdist) as archive:
        names = [
            Path(name).relative_to(SDIST.removesuffix(".tar.gz")) for name in archive.getnames()
        ]

    in_folders = [path for path in names if len(path.parts) > 1]
    assert sorted(in_folders) == sorted(tree())
    documents = {path.relative_to(ROOT) for path in ROOT.glob("*.md")}
    assert {Path(name) for name in ("Makefile", "quickstart", "LICENSE")} | documents < set(names)


def test_the_wheel_says_who_may_use_it_and_that_it_is_typed(wheels: Wheels) -> None:
    shipped = set(files(wheels.direct))

    assert {f"{package}/py.typed" for package in HOMES} <= shipped
    assert f"{DIST_INFO}/licenses/LICENSE" in shipped


@pytest.fixture(scope="module")
def clean(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel and nothing else."""
    root = tmp_path_factory.mktemp("clean")
    venv.create(root, with_pip=True)
    programs = root / "bin"
    options = ("--quiet", "--no-index", "--no-deps", "--disable-pip-version-check")
    run(programs / "python", "-m", "pip", "install", *options, wheels.direct)
    return programs


@pytest.mark.parametrize(
    "words", [("ramalama",), ("python", "-m", "ramalama"), ("python", "-I", "-m", "ramalama")]
)
def test_an_environment_with_the_wheel_alone_knows_version_and_help(
    clean: Path, words: Sequence[str]
) -> None:
    program, *options = words

    assert run(clean / program, *options, "version") == f"ramalama version {__version__}\n"
    assert run(clean / program, *options, "--help").startswith("usage: ramalama ")


def test_an_environment_with_the_wheel_alone_can_import_it_and_make_options(clean: Path) -> None:
    program = (
        "import ramalama; "
        "model = ramalama.ModelRef.parse('/m.gguf'); "
        "print(ramalama.ServeOptions(model=model).model)"
    )

    assert run(clean / "python", "-I", "-c", program) == "file:///m.gguf\n"


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    required = [*project["dependencies"], *(words for extra in extras for words in extra)]
    declared = {re.split(r"[\[>]", words)[0].replace("-", "_") for words in required}
    names = {"pyyaml": "yaml", "pillow": "PIL"}  # those that have another name
    declared |= {name for package, name in names.items() if package in declared}
    imported = {
        name
        for package, home in HOMES.items()
        for source in (home / package).rglob("*.py")
        for name in imports(source)
    }

    # Only pytest imports the plugin for it; `_typeshed` exists for type checkers alone.
    elsewhere = HOMES.keys() | {"pytest", "_typeshed"}
    assert imported - sys.stdlib_module_names - elsewhere <= declared


def imports(source: Path) -> Generator[str]:
    """Yield the packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
