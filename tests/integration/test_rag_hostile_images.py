"""Images of strangers that say they have an index: real engines, and whatever an image can have."""

from __future__ import annotations

import os
import signal
import tarfile
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

from tests.doubles import made_image
from tests.doubles.made_index import make_index
from tests.integration.cli import PATIENCE
from tests.integration.person import Person, make_person

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from subprocess import Popen

    from ramalama_engines.engine import Engine
    from tests.integration.cli import Done
    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines

PLACE: Final = "rag/rag.db"
NOT_REGULAR: Final = "/rag/rag.db in the image cannot be used: it is a link, a device or a pipe"
NO_INDEX: Final = "the image has no index: there is no /rag/rag.db in it"
NO_DATABASE: Final = "/rag/rag.db in the image cannot be used: this is not an index"
LARGE: Final = 100 << 20  # bytes, which take an engine some tenths of a second


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return make_person(tmp_path).having(RAMALAMA_EMBEDDING_MODEL="none")


@pytest.fixture
def index(tmp_path: Path) -> bytes:
    return make_index(tmp_path / "rag.db").read_bytes()


def load(
    engine: Engine,
    *layers: Sequence[tuple[tarfile.TarInfo, bytes]],
    config: Mapping[str, object] | None = None,
) -> str:
    """Bring an image to *engine*; return its name, which no other image has."""
    name = f"localhost/hostile/{uuid.uuid4().hex}:1"
    made = [made_image.layer(*each) for each in layers]
    engine.load([made_image.archive(name, made, config or {})], tag=name)
    return name


def info(person: Person, service: EngineService, image: str) -> Done:
    return person.run("--engine-url", service.url, "rag", "info", image)


def copies(person: Person) -> list[str]:
    """The ends of the files that are in the cache."""
    with suppress(FileNotFoundError):
        cache = person.home / ".cache/ramalama/rag"
        return sorted(path.suffix for path in cache.iterdir())
    return []


def containers(engine: Engine) -> list[str]:
    return [each.id for each in engine.list({"ai.ramalama-upload": "rag"})]


ODD: Final = {
    "link-out": (made_image.entry(PLACE, tarfile.SYMTYPE, "/etc/passwd"), (NOT_REGULAR, NO_INDEX)),
    "link-up": (
        made_image.entry(PLACE, tarfile.SYMTYPE, "../../../../../../etc/passwd"),
        (NOT_REGULAR, NO_INDEX),
    ),
    "link-to-file": (made_image.entry(PLACE, tarfile.SYMTYPE, "../file"), (NOT_REGULAR,)),
    "directory-link": (made_image.entry("rag", tarfile.SYMTYPE, "/proc/self/root"), (NO_INDEX,)),
    "link-to-itself": (made_image.entry(PLACE, tarfile.SYMTYPE, "rag.db"), ("cannot look for",)),
    "zeros": (made_image.entry(PLACE, tarfile.CHRTYPE), (NOT_REGULAR,)),
    "pipe": (made_image.entry(PLACE, tarfile.FIFOTYPE), (NOT_REGULAR,)),
    "directory": (made_image.entry(f"{PLACE}/rag.db"), (NO_INDEX,)),
    "empty": (made_image.entry(PLACE), (NO_DATABASE,)),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_index_is_one_clear_error_and_leaves_nothing(
    person: Person, engine_service: EngineService, engine: Engine, index: bytes, kind: str
) -> None:
    odd, expected = ODD[kind]
    image = load(engine, [(made_image.entry("file"), index), (odd, b"")])

    told = info(person, engine_service, image)

    assert told.code != 0
    assert any(words in told.err for words in expected), told.err
    assert told.err.count("\n") == 1
    assert copies(person) == []
    assert containers(engine) == []


NOTHING: Final[dict[str, object]] = {}
HARMLESS: Final[Mapping[str, Mapping[str, object]]] = {
    "volume": {"Volumes": {"/rag": NOTHING}},
    "many-volumes": {"Volumes": {f"/{number}": NOTHING for number in range(50)}},
    "programs": {
        "Entrypoint": ["/evil"],
        "Cmd": ["evil"],
        "Healthcheck": {"Test": ["CMD", "/evil"], "Interval": 1_000_000},
        "OnBuild": ["RUN evil"],
        "User": "nobody-is-called-so",
        "WorkingDir": "/rag/elsewhere",
    },
    "lies": {
        "Labels": {
            "ai.ramalama.rag.format": "99\x1b[2J",
            "ai.ramalama.rag.embedder": "/etc/passwd",
            "ai.ramalama.rag.dimension": "-1",
            "ai.ramalama-upload": "rag",
        }
    },
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_whatever_the_configuration_says_the_index_is_read_and_nothing_is_started(
    person: Person, engine_service: EngineService, engine: Engine, index: bytes, kind: str
) -> None:
    image = load(engine, [(made_image.entry(PLACE), index)], config=HARMLESS[kind])

    told = info(person, engine_service, image)

    assert (told.code, told.err) == (0, ""), told.err
    assert "documents           3" in told.out
    assert "\x1b" not in told.out
    assert containers(engine) == []
    with engine_service.client() as client:
        assert not client.get("/volumes").json()["Volumes"]


def test_an_index_below_a_hundred_layers_is_found_and_one_that_a_layer_removes_is_not(
    person: Person, engine_service: EngineService, engine: Engine, index: bytes
) -> None:
    own = [(made_image.entry(PLACE), index)]
    others = [[(made_image.entry(f"file{number}"), b"x")] for number in range(99)]
    removal = [(made_image.entry("rag/.wh.rag.db"), b"")]

    below = info(person, engine_service, load(engine, own, *others))
    removed = info(person, engine_service, load(engine, own, removal))

    assert below.code == 0, below.err
    assert NO_INDEX in removed.err


def test_a_name_gets_what_it_stands_for_now(
    person: Person, engine_service: EngineService, engine: Engine, tmp_path: Path
) -> None:
    name = f"localhost/hostile/{uuid.uuid4().hex}:1"
    listed: list[str] = []
    for uri in ("first.md", "second.md"):
        content = make_index(tmp_path / uri, {uri: "A text."}).read_bytes()
        made = made_image.layer((made_image.entry(PLACE), content))
        engine.load([made_image.archive(name, [made])], tag=name)
        listed.append(person.run("--engine-url", engine_service.url, "rag", "list", name).out)

    assert ["first.md" in listed[0], "second.md" in listed[1]] == [True, True]
    assert "first.md" not in listed[1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_copy_leaves_nothing_after_the_next_command(
    person: Person,
    engine_service: EngineService,
    engine: Engine,
    index: bytes,
    number: signal.Signals,
) -> None:
    large = load(engine, [(made_image.entry(PLACE), index + os.urandom(LARGE))])
    small = load(engine, [(made_image.entry(PLACE), index)])

    with person.start("--engine-url", engine_service.url, "rag", "info", large) as process:
        until_copying(person, process)
        process.send_signal(number)
        code = process.wait(PATIENCE)

    if number != signal.SIGKILL:
        assert (code, copies(person), containers(engine)) == (128 + number, [], [])
    next_one = info(person, engine_service, small)
    assert next_one.code == 0, next_one.err
    assert (copies(person), containers(engine)) == ([".db"], [])


def until_copying(person: Person, process: Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while ".part" not in copies(person):
        assert time.monotonic() < deadline
        assert process.poll() is None, "the copy was quicker than the test"
        time.sleep(0.001)


def test_commands_at_the_same_time_make_one_copy(
    person: Person, engine_service: EngineService, engine: Engine, index: bytes
) -> None:
    image = load(engine, [(made_image.entry(PLACE), index + os.urandom(LARGE))])
    words = ("--engine-url", engine_service.url, "rag", "info", image)

    with person.start(*words) as one, person.start(*words) as two, person.start(*words) as three:
        codes = [process.wait(PATIENCE) for process in (one, two, three)]

    assert codes == [0, 0, 0]
    assert (copies(person), containers(engine)) == ([".db"], [])
