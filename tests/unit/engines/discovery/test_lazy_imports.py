"""Each test that imports an SDK does so in an interpreter of its own."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.discovery.lazy_imports import lazy_imports

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

LATE = """\
from ramalama_engines import EngineKind, open_engine
for kind in EngineKind:
    open_engine(kind, "unix:///nowhere").close()
"""
ORDINARY = "import podman.api.uds, docker.transport.unixconn, requests\n"

# Print what each name of each package is.
DESCRIBE = """
import importlib, json, types
def describe(value):
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, (str, tuple, types.NoneType)):
        return value
    return [getattr(value, "__module__", ""), getattr(value, "__qualname__", str(type(value)))]
described = {}
for name in ("podman", "podman.api", "docker", "docker.credentials", "charset_normalizer", "idna",
             "urllib3.http2"):
    package = importlib.import_module(name)
    names = [each for each in dir(package) if not each.startswith("__") or each == "__version__"]
    described[name] = {each: describe(getattr(package, each)) for each in names}
print(json.dumps(described))
"""
COUNT = "import sys; print(len(sys.modules))"


def run(program: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_every_name_of_the_packages_is_there_and_the_same() -> None:
    ordinary = run(ORDINARY + DESCRIBE)
    late = run(LATE + DESCRIBE)

    assert "PodmanClient" in json.loads(ordinary)["podman"]
    assert json.loads(late) == json.loads(ordinary)


@pytest.mark.parametrize(
    "module",
    [
        *("podman.client", "podman.api.tar_utils", "docker.client", "docker.credentials.store"),
        *("charset_normalizer.api", "idna.core", "importlib.metadata"),
    ],
)
def test_an_engine_loads_nothing_that_only_others_need(module: str) -> None:
    asked = f"import sys; print({module!r} in sys.modules)"

    assert run(ORDINARY + asked) == "True\n"
    assert run(LATE + asked) == "False\n"


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            "from podman import PodmanClient; import podman.client\n"
            "assert PodmanClient is podman.client.PodmanClient",
            id="one-object-whichever-way",
        ),
        pytest.param("from docker import *; assert DockerClient", id="star"),
        pytest.param("import docker; assert docker.errors.NotFound", id="module-as-attribute"),
        pytest.param("import docker; assert not hasattr(docker, 'nonsense')", id="hasattr"),
        pytest.param(
            "import inspect, podman; assert 'PodmanClient' in inspect.getsource(podman)",
            id="source",
        ),
        pytest.param(
            "import importlib, docker; assert importlib.reload(docker).DockerClient", id="reload"
        ),
        pytest.param(
            "import requests; answer = requests.Response(); answer._content = b'caf\\xe9'\n"
            "assert answer.apparent_encoding and answer.text",
            id="requests-guesses-an-encoding",
        ),
        pytest.param(
            "import requests, charset_normalizer as c; assert requests.compat.chardet is c\n"
            "import requests.packages.chardet; assert requests.packages.chardet is c",
            id="requests-has-its-own-names-for-it",
        ),
        pytest.param(
            "import sys; assert not any('Late' in repr(each) for each in sys.meta_path)",
            id="the-finder-has-gone",
        ),
    ],
)
def test_later_users_of_the_sdks_notice_no_difference(program: str) -> None:
    run(LATE + program)


def test_an_application_that_has_imported_an_sdk_keeps_its_own() -> None:
    run(f"import docker, podman\nclient = docker.client\n{LATE}assert docker.client is client")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to import from."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def imported_late(site: Path, name: str, **files: str) -> ModuleType:
    """Write a package of these modules, and import it."""
    for module, source in files.items():
        file = site / name / f"{module}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
    with lazy_imports({name}):
        return importlib.import_module(name)


def test_a_package_runs_when_it_is_asked_for_a_name_of_its_own(site: Path) -> None:
    sdk = imported_late(site, "late_one", __init__="from .part import X; Y = X + 1", part="X = 1")

    assert "late_one.part" not in sys.modules
    assert (sdk.Y, sdk.X) == (2, 1)


def test_modules_and_the_version_are_there_without(site: Path) -> None:
    sdk = imported_late(
        site, "late_two", __init__="1 / 0", part="X = 1", version="__version__ = '7'"
    )

    assert (sdk.part.X, sdk.__version__) == (1, "7")


def test_a_package_that_knows_its_version_itself_is_asked_for_it(site: Path) -> None:
    sdk = imported_late(site, "late_three", __init__="__version__ = '8'")

    assert sdk.__version__ == "8"


def test_a_package_that_loads_names_itself_goes_on_doing_so(site: Path) -> None:
    sdk = imported_late(site, "late_four", __init__="def __getattr__(name): return name.upper()")

    assert (sdk.anything, sdk.else_) == ("ANYTHING", "ELSE_")


def test_dir_lists_what_an_ordinary_import_would_have_made(site: Path) -> None:
    sdk = imported_late(site, "late_five", __init__="X = 1")

    assert {name for name in dir(sdk) if not name.startswith("__")} == {"X"}
    assert not {"__getattr__", "__dir__"} & vars(sdk).keys()


def test_a_package_that_fails_to_import_fails_again_at_the_next_use(site: Path) -> None:
    sdk = imported_late(site, "late_six", __init__="raise ImportError('no libfoo')")

    for _ in range(2):
        with pytest.raises(ImportError, match="no libfoo"):
            sdk.anything  # noqa: B018 (asking is what counts)


def test_a_module_that_its_package_lacks_a_module_says_which(site: Path) -> None:
    sdk = imported_late(site, "late_seven", __init__="", part="import no_such_module")

    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        sdk.part  # noqa: B018 (asking is what counts)


def test_a_package_that_needs_itself_too_early_fails_as_any_does(site: Path) -> None:
    sdk = imported_late(site, "late_eight", __init__="import late_eight; X = late_eight.X")

    with pytest.raises(AttributeError, match="'late_eight' has no 'X' before its import"):
        sdk.X  # noqa: B018 (asking is what counts)


def test_threads_that_ask_at_once_all_get_the_one_name(site: Path) -> None:
    source = "import time; time.sleep(0.05); X = object(); RUNS.append(1)"
    sdk = imported_late(site, "late_nine", __init__=source)
    runs: list[int] = []
    vars(sdk)["RUNS"] = runs
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(sdk.X)) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [sdk.X] * 4
    assert runs == [1]
