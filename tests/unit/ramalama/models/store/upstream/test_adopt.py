"""Models that upstream has pulled: used as they are, believed in nothing, left as they were."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelNotFound
from ramalama.events import Event, Notice
from ramalama.models.formats.model_files import FileKind
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.store import ModelStore
from tests.unit.ramalama.models.store.filled import (
    HUB,
    OLLAMA,
    digest_of,
    files_below,
    publish,
    write_upstream,
)

if TYPE_CHECKING:
    from pathlib import Path

GGUF = b"w" * 65536
# What upstream calls a file whose digest it does not know: the SHA-256 of its name.
CONFIG_BLOB = digest_of(b"config.json").file_name


def seen(base: Path) -> dict[str, tuple[bytes, int]]:
    """The contents and times of upstream's tree, which must not change."""
    return {
        name: ((base / "store" / name).read_bytes(), (base / "store" / name).stat().st_mtime_ns)
        for name in files_below(base / "store")
    }


def test_a_model_of_upstreams_is_found_opened_and_left_as_it_was(tmp_path: Path) -> None:
    write_upstream(tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)})
    before = seen(tmp_path)
    store = ModelStore(tmp_path)

    model = store.find(OLLAMA)

    assert model is not None
    assert [(file.name, file.kind, file.digest, file.size) for file in model.files] == [
        ("smollm2", FileKind.GGUF, digest_of(GGUF), 65536)
    ]
    assert store.open(model).weights[0].read_bytes() == GGUF
    assert seen(tmp_path) == before


def test_its_files_are_read_once_and_shared_from_then_on(tmp_path: Path) -> None:
    directory = write_upstream(
        tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)}
    )
    events: list[Event] = []
    store = ModelStore(tmp_path)

    store.find(OLLAMA, on_event=events.append)
    blob = next((directory / "blobs").iterdir())

    assert events == [Notice(f"{OLLAMA} is here from another RamaLama; its files are read once")]
    assert store.contents.path(digest_of(GGUF)).samefile(blob)

    publish(tmp_path, HUB, GGUF)
    store.find(OLLAMA, on_event=events.append)

    assert len(events) == 1
    assert store.contents.path(digest_of(GGUF)).samefile(blob)


def test_the_name_of_a_blob_is_not_taken_for_its_digest(tmp_path: Path) -> None:
    write_upstream(
        tmp_path,
        "huggingface/acme/tiny-GGUF",
        "Q8_0",
        {"t.safetensors": ("safetensor", GGUF), "config.json": ("other", b"{}")},
        blobs={"config.json": CONFIG_BLOB},
    )
    store = ModelStore(tmp_path)

    model = store.find(HUB)

    assert model is not None
    assert {file.name: file.digest for file in model.files} == {
        "t.safetensors": digest_of(GGUF),
        "config.json": digest_of(b"{}"),
    }
    directory = store.open(model).directory
    assert directory is not None
    assert (directory / "config.json").read_bytes() == b"{}"


def test_a_file_that_upstream_has_replaced_is_read_again(tmp_path: Path) -> None:
    place = "http/h/t.gguf"
    reference = ModelRef(Scheme.HTTP, "h/t.gguf")
    name = {"t.gguf": digest_of(b"t.gguf").file_name}
    write_upstream(tmp_path, place, "latest", {"t.gguf": ("gguf", b"old")}, blobs=name)
    store = ModelStore(tmp_path)
    old = store.find(reference)
    blob = tmp_path / "store" / place / "blobs" / name["t.gguf"]
    blob.unlink()
    write_upstream(tmp_path, place, "latest", {"t.gguf": ("gguf", b"new")}, blobs=name)

    new = store.find(reference)

    assert old is not None
    assert new is not None
    assert new.files[0].digest == digest_of(b"new")
    assert store.open(new).weights[0].read_bytes() == b"new"


def test_the_parts_of_a_split_model_come_in_their_order(tmp_path: Path) -> None:
    """Upstream lists a type only for the first part, and any order."""
    names = [f"t-0000{number}-of-00003.gguf" for number in (2, 1, 3)]
    files = {name: ("gguf" if "00001" in name else "other", name.encode()) for name in names}
    write_upstream(tmp_path, "huggingface/acme/tiny-GGUF", "Q8_0", files)
    store = ModelStore(tmp_path)

    model = store.find(HUB)

    assert model is not None
    assert [path.name for path in store.open(model).weights] == sorted(names)


@pytest.mark.parametrize("links", ["hard", "symbolic"])
def test_a_model_in_the_old_format_is_found_and_not_migrated(tmp_path: Path, links: str) -> None:
    directory = write_upstream(
        tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)}
    )
    (directory / "refs/135m").write_text(f"{digest_of(GGUF)}\nsmollm2---model\n")
    (directory / "refs/135m.json").unlink()
    if links == "symbolic":
        name = next((directory / "snapshots").glob("*/*"))
        name.unlink()
        name.symlink_to(f"../../blobs/{digest_of(GGUF).file_name}")
    store = ModelStore(tmp_path)

    model = store.find(OLLAMA)

    assert model is not None
    assert store.open(model).weights[0].read_bytes() == GGUF
    assert [path.name for path in (directory / "refs").iterdir()] == ["135m"]
    assert [listed.reference for listed in store.list()] == [OLLAMA]

    store.remove(OLLAMA)

    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("damage", ["file", "ref", "names"])
def test_a_model_that_is_not_whole_is_not_found(tmp_path: Path, damage: str) -> None:
    directory = write_upstream(
        tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)}
    )
    ref = directory / "refs/135m.json"
    match damage:
        case "file":
            for path in (*directory.glob("blobs/*"), *directory.glob("snapshots/*/*")):
                path.unlink()
        case "ref":
            ref.write_text("{")
        case _:
            ref.write_text(ref.read_text().replace('"smollm2"', '"../../evil"'))

    assert ModelStore(tmp_path).find(OLLAMA) is None


def test_a_model_that_upstream_is_still_pulling_is_listed_as_partial(tmp_path: Path) -> None:
    directory = write_upstream(
        tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)}
    )
    blob = next((directory / "blobs").iterdir())
    next((directory / "snapshots").glob("*/*")).unlink()
    blob.rename(blob.with_name(f"{blob.name}.partial"))
    (directory / "blobs" / f"{blob.name}.partial").write_bytes(b"half")

    (listed,) = ModelStore(tmp_path).list()

    assert (listed.reference, listed.complete, listed.size) == (OLLAMA, False, 4)


def test_models_of_upstreams_are_listed_without_being_read(tmp_path: Path) -> None:
    write_upstream(tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)})
    write_upstream(
        tmp_path, "huggingface/acme/tiny-GGUF", "latest", {"t.gguf": ("gguf", b"weights")}
    )
    nested = write_upstream(
        tmp_path, "huggingface/acme/tiny-GGUF/t.gguf", "latest", {"t.gguf": ("gguf", b"x")}
    )
    publish(tmp_path, HUB)
    for path in nested.rglob("t.gguf"):
        os.utime(path, (1, 1))

    listed = {model.reference: model for model in ModelStore(tmp_path).list()}

    assert {reference: model.size for reference, model in listed.items()} == {
        OLLAMA: 65536,
        HUB: 7,
        replace(HUB, tag=""): 7,
        ModelRef(Scheme.HUGGINGFACE, "acme/tiny-GGUF/t.gguf"): 1,
    }
    assert listed[ModelRef(Scheme.HUGGINGFACE, "acme/tiny-GGUF/t.gguf")].modified == datetime(
        1970, 1, 1, 0, 0, 1, tzinfo=UTC
    )
    assert all(model.complete for model in listed.values())
    assert not (tmp_path / "cas/index.json").exists()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("ollama/library/x/refs/latest.json", b"{"),
        ("ollama/library/x/refs/latest.json/file", b""),
        ("ollama/library/x/refs/.DS_Store", b"\0\1"),
        ("ollama/refs/latest.json", b"{}"),
        ("unheard-of/x/refs/latest.json", b"{}"),
        ("stray", b""),
    ],
)
def test_unexpected_files_in_upstreams_tree_do_no_harm(
    tmp_path: Path, path: str, content: bytes
) -> None:
    write_upstream(tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)})
    stray = tmp_path / "store" / path
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(content)

    assert [model.reference for model in ModelStore(tmp_path).list()] == [OLLAMA]
    assert stray.read_bytes() == content


def test_a_link_in_upstreams_tree_is_not_followed_round_and_round(tmp_path: Path) -> None:
    write_upstream(tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)})
    (tmp_path / "store/ollama/loop").symlink_to(tmp_path / "store", target_is_directory=True)

    assert [model.reference for model in ModelStore(tmp_path).list()] == [OLLAMA]


def test_a_url_with_a_port_is_not_answered_with_another_ports_file(tmp_path: Path) -> None:
    write_upstream(tmp_path, "http/h/t.gguf", "latest", {"t.gguf": ("gguf", GGUF)})
    store = ModelStore(tmp_path)

    assert store.find(ModelRef(Scheme.HTTP, "h:8080/t.gguf")) is None
    assert store.find(ModelRef(Scheme.HTTP, "h/t.gguf")) is not None


@pytest.mark.parametrize("used", [True, False])
def test_removing_a_model_of_upstreams_frees_all_of_it(tmp_path: Path, *, used: bool) -> None:
    write_upstream(tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)})
    store = ModelStore(tmp_path)
    if used:
        model = store.find(OLLAMA)
        assert model is not None
        store.open(model)

    removed = store.remove(OLLAMA)

    assert removed.freed >= len(GGUF)
    assert list((tmp_path / "store").iterdir()) == []
    assert list((tmp_path / "cas/sha256").glob("*/*")) == []
    with pytest.raises(ModelNotFound):
        store.remove(OLLAMA)


def test_what_another_tag_of_upstreams_needs_stays(tmp_path: Path) -> None:
    place = "ollama/library/smollm2"
    for tag, template in (("135m", b"one"), ("latest", b"two")):
        files = {"smollm2": ("gguf", GGUF), "chat_template": ("chat_template", template)}
        write_upstream(tmp_path, place, tag, files)
    store = ModelStore(tmp_path)

    removed = store.remove(OLLAMA)
    other = store.find(replace(OLLAMA, tag="latest"))

    assert removed.freed < len(GGUF)
    assert other is not None
    assert store.open(other).weights[0].read_bytes() == GGUF
    assert not (tmp_path / "store" / place / "blobs" / digest_of(b"one").file_name).exists()


def test_a_repository_keeps_its_files_when_a_single_one_is_removed(tmp_path: Path) -> None:
    place = "huggingface/acme/tiny-GGUF"
    write_upstream(tmp_path, place, "Q8_0", {"t.gguf": ("gguf", GGUF)})
    write_upstream(tmp_path, f"{place}/t.gguf", "latest", {"t.gguf": ("gguf", b"x")})
    store = ModelStore(tmp_path)

    store.remove(ModelRef(Scheme.HUGGINGFACE, "acme/tiny-GGUF/t.gguf"))

    assert not (tmp_path / "store" / place / "t.gguf").exists()
    assert store.find(HUB) is not None

    store.remove(HUB)

    assert list((tmp_path / "store").iterdir()) == []


def test_nothing_is_removed_beside_an_unreadable_ref(tmp_path: Path) -> None:
    directory = write_upstream(
        tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)}
    )
    (directory / "refs/latest.json").write_text("{")

    ModelStore(tmp_path).remove(OLLAMA)

    assert [path.name for path in (directory / "refs").iterdir()] == ["latest.json"]
    assert [path.name for path in (directory / "blobs").iterdir()] == [digest_of(GGUF).file_name]


def test_a_reference_that_leads_elsewhere_has_nothing_removed_there(tmp_path: Path) -> None:
    victim = tmp_path / "store/ollama/library/victim"
    victim.parent.mkdir(parents=True)
    victim.write_bytes(b"x")
    directory = write_upstream(
        tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", GGUF)}
    )
    ref = directory / "refs/135m.json"
    ref.write_text(ref.read_text().replace(digest_of(GGUF).file_name, "../../victim"))

    ModelStore(tmp_path).remove(OLLAMA)

    assert victim.read_bytes() == b"x"
    assert not ref.exists()
