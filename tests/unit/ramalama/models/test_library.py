"""Models found, pulled, listed and removed, from a web server on loopback."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ramalama.config.config import Config
from ramalama.errors import (
    InvalidReference,
    ModelNotFound,
    ModelPullError,
    ModelTooLarge,
    ModelUnsupported,
    OptionRefused,
    UnknownModel,
    WrongEndianness,
)
from ramalama.events import DownloadPlanned, FileReady, ModelReady, Notice
from ramalama.models.library import Models
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.planning.memory.capacity import MemoryCapacity
from ramalama.planning.memory.fit import admit_within
from ramalama_engines import InvokingUser
from tests.doubles.faults import after, cut, faulty, stall
from tests.doubles.faults import refuse as refuse_as
from tests.doubles.server import FileServer, Reply, serve_bytes
from tests.unit.ramalama.made_up import GGUF
from tests.unit.ramalama.models.formats.made_gguf import gguf, string

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ramalama.events import Event
    from ramalama.models.store.stored_model import StoredModel

MODEL = gguf({"general.name": string("granite")}) + bytes(range(256)) * 400
DIGEST = hashlib.sha256(MODEL).hexdigest()


@dataclass
class Place:
    """A user with a store, and a server that has a model."""

    root: Path
    server: FileServer
    events: list[Event] = field(default_factory=list["Event"])

    def __post_init__(self) -> None:
        self.models = self.open()

    def open(self, config: Config | None = None) -> Models:
        env = {"XDG_CONFIG_HOME": str(self.root / "config")}
        user = InvokingUser(env=env, home=self.root, uid=os.getuid(), root=self.root)
        return Models(config or Config(store=str(self.root / "store")), user)

    def write_shortnames(self, names: Mapping[str, str]) -> None:
        conf = self.root / "config/ramalama/shortnames.conf"
        conf.parent.mkdir(parents=True)
        lines = [f'"{name}" = "{target}"\n' for name, target in names.items()]
        conf.write_text("[shortnames]\n" + "".join(lines))

    def reference(self, name: str = "granite.gguf", digest: str | None = None) -> ModelRef:
        fragment = f"#sha256={digest}" if digest else ""
        return ModelRef.parse(f"{self.server.url}/{name}{fragment}")

    def pull(self, reference: ModelRef) -> Path:
        return self.models.pull(reference, on_event=self.events.append).weights[0]

    def heard(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def place(tmp_path: Path) -> Generator[Place]:
    with FileServer({"/granite.gguf": serve_bytes(MODEL)}) as server:
        yield Place(tmp_path, server)


def test_a_model_is_pulled_and_is_what_its_server_has(place: Place) -> None:
    weights = place.pull(place.reference())

    assert weights.read_bytes() == MODEL
    assert weights.name == "granite.gguf"


@pytest.mark.parametrize("umask", [0o000, 0o002])
def test_no_other_user_may_write_to_a_store_whatever_the_umask(place: Place, umask: int) -> None:
    before = os.umask(umask)
    try:
        place.pull(place.reference())
        place.server.routes["/granite.gguf"] = serve_bytes(MODEL + b"more", etag='"2"')
        place.pull(place.reference())
    finally:
        os.umask(before)

    made = [path for path in place.root.rglob("*") if not path.is_symlink()]
    others = stat.S_IWGRP | stat.S_IWOTH
    assert [str(path) for path in made if path.stat().st_mode & others] == []
    assert any(path.is_file() for path in made)


def test_a_pull_tells_what_comes_and_what_came(place: Place) -> None:
    place.pull(place.reference())

    size = len(MODEL)
    name = str(place.reference())
    assert place.events[0] == DownloadPlanned(name, files=1, size=size, missing=size)
    assert place.heard(FileReady) == [FileReady("granite.gguf", size)]
    assert place.events[-1] == ModelReady(name)


def test_what_is_there_is_not_asked_for_again(place: Place) -> None:
    place.pull(place.reference())
    asked = len(place.server.requests)

    again = place.models.get(place.reference())

    assert again.weights[0].read_bytes() == MODEL
    assert len(place.server.requests) == asked


def test_what_is_not_there_is_pulled_when_it_is_needed(place: Place) -> None:
    assert place.models.find(place.reference()) is None

    assert place.models.get(place.reference()).weights[0].read_bytes() == MODEL


def test_a_second_pull_takes_what_has_changed_and_only_then(place: Place) -> None:
    pinned = place.reference(digest=DIGEST)
    place.pull(pinned)
    asked = len(place.server.asked("/granite.gguf"))
    place.pull(pinned)
    probed = len(place.server.asked("/granite.gguf")) - asked

    newer = MODEL + b"more"
    place.server.routes["/granite.gguf"] = serve_bytes(newer, etag='"2"')

    assert probed < asked
    assert place.pull(place.reference()).read_bytes() == newer


def test_an_address_whose_content_has_not_changed_is_not_fetched_again(place: Place) -> None:
    place.pull(place.reference())
    place.events.clear()

    place.pull(place.reference())

    assert place.events == [ModelReady(str(place.reference()))]


def test_a_model_that_no_server_can_load_leaves_nothing_behind(place: Place) -> None:
    place.server.routes["/granite.gguf"] = serve_bytes(GGUF[:23])

    with pytest.raises(ModelUnsupported):
        place.pull(place.reference())

    assert not list(place.root.glob("store/cas/sha256/*/*"))
    assert place.models.list() == ()


def test_a_newer_version_that_no_server_can_load_does_not_replace_the_older(place: Place) -> None:
    place.pull(place.reference())
    place.server.routes["/granite.gguf"] = serve_bytes(GGUF[:23], etag='"2"')

    with pytest.raises(ModelUnsupported):
        place.pull(place.reference())

    assert place.models.get(place.reference()).weights[0].read_bytes() == MODEL


def test_the_same_content_under_two_names_is_one_file(place: Place) -> None:
    place.server.routes["/copy.gguf"] = serve_bytes(MODEL)

    first = place.pull(place.reference())
    second = place.pull(place.reference("copy.gguf"))

    assert first.samefile(second)


def test_content_that_is_not_what_was_announced_is_no_model(place: Place) -> None:
    with pytest.raises(ModelPullError, match=DIGEST[:8]):
        place.pull(place.reference(digest="0" * 64))

    assert place.models.list() == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"PK\x03\x04" + bytes(1000), "is a zip archive"),
        (b"<html>sign in</html>", "is a web page"),
        (GGUF[:23], "cut off"),
    ],
)
def test_what_no_server_could_load_is_refused(place: Place, content: bytes, complaint: str) -> None:
    place.server.routes["/granite.gguf"] = serve_bytes(content)

    with pytest.raises((ModelUnsupported, ModelPullError), match=complaint):
        place.pull(place.reference())

    assert place.models.list() == ()


def test_another_programs_file_is_shared_instead_of_fetched(place: Place) -> None:
    blob = place.root / ".ollama/models/blobs" / f"sha256-{DIGEST}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(MODEL)

    weights = place.pull(place.reference(digest=DIGEST))

    assert weights.samefile(blob)
    assert place.heard(Notice) == [Notice("granite.gguf was found in Ollama and is shared with it")]


def test_another_programs_file_of_other_content_is_not_taken(place: Place) -> None:
    blob = place.root / ".ollama/models/blobs" / f"sha256-{DIGEST}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(len(MODEL)))

    assert place.pull(place.reference(digest=DIGEST)).read_bytes() == MODEL


def test_a_list_names_what_was_pulled_and_a_removal_takes_it_away(place: Place) -> None:
    place.pull(place.reference())

    (listed,) = place.models.list()
    removed = place.models.remove(place.reference())

    assert (listed.reference, listed.size, listed.complete) == (place.reference(), len(MODEL), True)
    assert removed.freed >= len(MODEL)  # it is whole blocks that are freed
    assert place.models.list() == ()


def test_what_is_not_there_cannot_be_removed(place: Place) -> None:
    with pytest.raises(ModelNotFound, match="is not on this machine"):
        place.models.remove(place.reference())


def test_a_file_of_this_machine_stays_where_it_is(place: Place) -> None:
    file = place.root / "own.gguf"
    file.write_bytes(MODEL)
    reference = ModelRef.parse(str(file))

    assert place.models.pull(reference).weights == (file,)
    assert place.models.get(reference).weights == (file,)
    assert place.models.list() == ()


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("ollama://{}/library/zephyros:2b", ("zephyrus:2b", "zephyrus")),
        ("ollama://{}/library/basalt", ()),
        ("ollama://{}/acme/zephyros:2b", ()),
        ("http://{}/granit.gguf", ("http://{}/granite.gguf",)),
    ],
)
def test_an_unknown_model_comes_with_what_may_have_been_meant(
    asked: str, near: tuple[str, ...], place: Place
) -> None:
    place.pull(place.reference())
    place.write_shortnames({"zephyrus": "hf://org/it", "zephyrus:2b": "hf://org/it-2b"})
    address = place.server.url.partition("://")[2]

    with pytest.raises(UnknownModel) as caught:
        place.pull(ModelRef.parse(asked.format(address)))

    assert caught.value.alternatives == tuple(each.format(address) for each in near)
    assert ("did you mean" in str(caught.value)) == bool(near)


def test_a_short_name_stands_for_a_reference(place: Place) -> None:
    place.write_shortnames({"mine": "hf://org/repo:Q4_K_M"})

    assert str(place.models.resolve("Mine")) == "hf://org/repo:Q4_K_M"


@pytest.mark.parametrize(
    ("transport", "reference"),
    [(Scheme.OLLAMA, "ollama://library/zephyrus:7b"), (Scheme.MODELSCOPE, "ms://zeph/yrus:7b")],
)
def test_a_name_without_a_transport_has_the_users(
    place: Place, transport: Scheme, reference: str
) -> None:
    models = place.open(Config(transport=transport))
    text = reference.partition("://")[2].removeprefix("library/")

    assert str(models.resolve(text)) == reference


def test_what_is_no_reference_is_refused(place: Place) -> None:
    with pytest.raises(InvalidReference):
        place.models.resolve("")


def test_what_is_too_large_for_this_host_is_refused_before_it_is_fetched(place: Place) -> None:
    admit = admit_within(MemoryCapacity(main=len(MODEL) - 1))

    with pytest.raises(ModelTooLarge, match="for its weights alone"):
        place.models.pull(place.reference(), admit=admit, on_event=place.events.append)

    assert place.events == []
    enough = admit_within(MemoryCapacity(main=len(MODEL)))
    assert place.models.pull(place.reference(), admit=enough).weights


def test_weights_that_no_server_here_loads_are_refused_as_they_begin_to_come(place: Place) -> None:
    big_endian = gguf({}, order=">") + bytes(8 * 1024 * 1024)
    place.server.routes["/granite.gguf"] = faulty(serve_bytes(big_endian), stall(2 * 1024 * 1024))

    with pytest.raises(WrongEndianness, match=r"granite\.gguf is a big-endian model"):
        place.pull(place.reference())

    assert place.models.list() == ()
    assert not list(place.root.glob("store/cas/partial/*"))


def test_what_is_not_wanted_is_refused_before_it_is_fetched(place: Place) -> None:
    seen: list[StoredModel] = []

    def refuse(model: StoredModel) -> None:
        seen.append(model)
        msg = "not this one"
        raise ModelUnsupported(msg)

    with pytest.raises(ModelUnsupported, match="not this one"):
        place.models.pull(place.reference(), check=refuse)

    assert [model.weights for model in seen] == [(Path("granite.gguf"),)]
    assert place.models.list() == ()
    assert {request.headers["range"] for request in place.server.requests} == {"bytes=0-3"}


def test_a_pull_of_which_nothing_came_is_not_listed(place: Place) -> None:
    place.server.routes["/granite.gguf"] = faulty(
        serve_bytes(MODEL), after(1, refuse_as(Reply(status=404)))
    )

    with pytest.raises(ModelPullError, match=r"http://.*/granite.gguf cannot be pulled: .*404"):
        place.pull(place.reference())

    assert place.models.list() == ()


def test_a_pull_leaves_no_lock_of_its_own(place: Place) -> None:
    place.pull(place.reference())
    with pytest.raises(UnknownModel):
        place.pull(place.reference("none.gguf"))

    left = {path.name for path in place.models.store.contents.locks.iterdir()}
    assert not {name for name in left if name.startswith("http")}


def test_a_pull_of_which_something_came_is_listed(place: Place) -> None:
    big = MODEL + bytes(1024 * 1024)
    place.server.routes["/granite.gguf"] = faulty(
        serve_bytes(big), after(2, refuse_as(Reply(status=404))), after(1, cut(300_000))
    )

    with pytest.raises(ModelPullError):
        place.pull(place.reference())

    (listed,) = place.models.list()
    assert not listed.complete
    assert listed.size > 0


def test_a_model_may_be_named_by_a_text_or_a_path(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = place.root / "own.gguf"
    own.write_bytes(MODEL)
    monkeypatch.chdir(place.root)
    address = str(place.reference())

    assert place.models.find(address) is None
    pulled = place.models.pull(address)
    assert place.models.get(address) == place.models.find(place.reference()) == pulled
    assert place.models.get(Path("own.gguf")).weights == (own,)
    assert place.models.remove(address).reference == place.reference()


@pytest.mark.parametrize("model", [7, None, b"granite", ["granite"]])
def test_what_names_no_model_is_refused_at_once(place: Place, model: object) -> None:
    for use in (place.models.find, place.models.get, place.models.pull, place.models.remove):
        with pytest.raises(OptionRefused, match=r"^model is a text, a path or a ModelRef, not "):
            use(cast("str", model))


def test_the_models_tell_where_they_are(place: Place) -> None:
    assert repr(place.models) == f"<Models in '{place.root}/store'>"
