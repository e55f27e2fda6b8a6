"""Images that have a layer in common, pulled at the same time."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from ramalama.config.config import Config
from ramalama.events import FileReady, ignore
from ramalama.models.formats.model_files import Digest
from ramalama.models.library import Models
from ramalama.models.options import PullOptions
from ramalama.models.reference.reference import ModelRef
from ramalama_engines import InvokingUser
from tests.doubles.oci_models import RAW_LABEL, digest, make_image, make_tar
from tests.doubles.oci_registry import publish
from tests.doubles.server import FileServer
from tests.unit.ramalama.made_up import GGUF

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.events import Event, EventHook

BASE = make_tar({"etc/os-release": b"NAME=base" * 1000})
MODELS = {name: GGUF + name.encode() for name in ("one", "two")}
NOT_VERIFIED = PullOptions(tls_verify=False)


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as server:
        for name, content in MODELS.items():
            own = make_tar({f"models/{name}/{name}.gguf": content})
            publish(server, f"me/{name}", "1", make_image(BASE, own, labels=RAW_LABEL))
        yield server


@pytest.fixture
def models(tmp_path: Path) -> Models:
    user = InvokingUser(env={}, home=tmp_path, uid=os.getuid(), root=tmp_path)
    return Models(Config(store=str(tmp_path / "store")), user)


def pull(models: Models, server: FileServer, name: str, on_event: EventHook = ignore) -> bytes:
    reference = ModelRef.parse(f"oci://{server.url.partition('://')[2]}/me/{name}:1")
    return models.pull(reference, NOT_VERIFIED, on_event=on_event).weights[0].read_bytes()


def test_a_layer_is_kept_while_it_is_read_and_removed_after_the_last_reader(
    models: Models, server: FileServer
) -> None:
    layer = Digest.parse(digest(BASE))
    contents = models.store.contents

    with contents.held([layer]):
        pull(models, server, "one")
        assert contents.verify(layer)

    pull(models, server, "two")
    assert contents.find(layer) is None
    fetches = [each for each in server.requests if each.path.endswith(digest(BASE))]
    assert len({each.path.split("/")[3] for each in fetches}) == 1  # the second one took it


def test_a_pull_leaves_the_layer_that_another_has_fetched_and_not_yet_read(
    models: Models, server: FileServer
) -> None:
    came: list[bytes] = []

    def pull_the_other(event: Event) -> None:
        if event == FileReady("layer 1", len(BASE)):
            came.append(pull(models, server, "two"))

    first = pull(models, server, "one", pull_the_other)

    assert [first, *came] == [MODELS["one"], MODELS["two"]]


def test_images_on_the_same_base_that_are_pulled_at_once_both_come(
    models: Models, server: FileServer
) -> None:
    came: dict[str, bytes] = {}

    def bring(name: str) -> None:
        came[name] = pull(models, server, name)

    threads = [threading.Thread(target=bring, args=(name,)) for name in MODELS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert came == MODELS
    assert models.store.contents.find(Digest.parse(digest(BASE))) is None
    assert not list(models.store.contents.locks.glob("*.held.lock"))
