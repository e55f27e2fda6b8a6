"""Upstream RamaLama and we at one store: each reads, and removes, what the other has pulled.

Upstream comes from PyPI into an environment of its own; it is a program to us, and never imported.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelNotFound
from ramalama.models.formats.model_files import FileKind
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.store import ModelStore
from tests.doubles.server import FileServer, Reply, serve_bytes
from tests.unit.ramalama.models.store.filled import digest_of, files_below, put, record

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ramalama.models.store.records import ModelRecord

pytestmark = pytest.mark.engines

VERSION = "0.25.0"
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
HUB = "hf://acme/tiny-GGUF:Q8_0"


def make_gguf(name: str) -> bytes:
    """Write a GGUF file without tensors that differs from others in its name alone."""
    keys = {
        "general.architecture": "llama",
        "general.name": name,
        "tokenizer.chat_template": TEMPLATE,
    }
    content = struct.pack("<4sIQQ", b"GGUF", 3, 0, len(keys))
    for key, value in keys.items():
        content += struct.pack("<Q", len(key)) + key.encode()
        content += struct.pack("<IQ", 8, len(value)) + value.encode()
    return content


GGUF = make_gguf("tiny")
SYSTEM = b"Be brief."


@dataclass(frozen=True)
class Upstream:
    """The other program, with a home and a store of this test's own."""

    program: Path
    base: Path
    home: Path

    def run(self, *words: str, **env: str) -> str:
        done = self.start(*words, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.program), "--nocontainer", "--store", str(self.base), *words]
        own = {"HOME": str(self.home), "PATH": "/nowhere", **env}
        return subprocess.run(
            command, check=False, capture_output=True, text=True, env=own, cwd=self.home
        )

    def list(self) -> Mapping[str, int]:
        """Return the names of all models and their sizes."""
        rows = json.loads(self.run("ls", "--all", "--json"))
        return {row["name"]: row["size"] for row in rows}


@pytest.fixture(scope="module")
def program(lab: Path) -> Path:
    """Install upstream, once."""
    venv = lab / "upstream"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", f"ramalama=={VERSION}"]
    subprocess.run(pip, check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    return venv / "bin/ramalama"


@pytest.fixture
def upstream(program: Path, tmp_path: Path) -> Upstream:
    home = tmp_path / "home"
    home.mkdir()
    return Upstream(program, tmp_path / "base", home)


@pytest.fixture
def hub() -> Generator[FileServer]:
    """Hugging Face, as far as upstream asks: the manifest of a quantisation, and its files."""
    manifest = {
        "ggufFile": {"rfilename": "tiny-Q8_0.gguf", "blobId": str(digest_of(GGUF))},
        "mmprojFile": {"rfilename": "mmproj.gguf", "blobId": str(digest_of(b"projector"))},
    }
    files = "/acme/tiny-GGUF/resolve/main"
    with FileServer(
        {
            "/v2/acme/tiny-GGUF/manifests/Q8_0": lambda _: Reply.of_json(manifest),
            f"{files}/tiny-Q8_0.gguf": serve_bytes(GGUF),
            f"{files}/mmproj.gguf": serve_bytes(b"projector"),
        }
    ) as server:
        yield server


def parse(text: str) -> ModelRef:
    return ModelRef.parse(text, cwd=Path("/nowhere"))


def publish(base: Path, text: str, content: bytes = GGUF, name: str = "t.gguf") -> ModelRecord:
    """Publish a model as if we had pulled it, with a prompt, which upstream knows nothing of."""
    weights = put(base, content, name)
    model = record(weights, put(base, SYSTEM, "system", FileKind.SYSTEM), reference=parse(text))
    ModelStore(base).publish(model)
    return model


NAMES = [
    ("ollama://smollm2:135m", "ollama://library/smollm2:135m"),
    ("ollama://ann/chat", "ollama://ann/chat:latest"),
    ("hf://acme/tiny-GGUF", "hf://acme/tiny-GGUF"),
    ("hf://acme/tiny-GGUF:q8_0", "hf://acme/tiny-GGUF:Q8_0"),
    ("hf://acme/tiny-GGUF/Q8/t.gguf", "hf://acme/tiny-GGUF/Q8/t.gguf"),
    ("ms://acme/tiny/t.gguf", "modelscope://acme/tiny/t.gguf"),
    ("http://127.0.0.1:8092/a/b.gguf", "http://127.0.0.1/a/b.gguf"),
    ("https://example.com/o/r/blob/v1/f.gguf", "https://example.com/o/r/f.gguf:v1"),
]


def test_upstream_lists_and_inspects_what_we_have_pulled(upstream: Upstream) -> None:
    for text, _ in NAMES:
        publish(upstream.base, text)
    before = {path: (upstream.base / path).read_bytes() for path in files_below(upstream.base)}

    listed = upstream.list()
    inspected = [json.loads(upstream.run("inspect", "--json", text)) for text, _ in NAMES]

    assert listed == dict.fromkeys((name for _, name in NAMES), len(GGUF) + len(SYSTEM))
    assert {each["Format"] for each in inspected} == {"GGUF"}
    assert all(Path(each["Path"]).read_bytes() == GGUF for each in inspected)
    # It rewrites a reference that it would have written differently.
    assert before == {
        path: (upstream.base / path).read_bytes() for path in files_below(upstream.base)
    }


def test_upstream_takes_an_artifact_of_ours_for_one_of_its_own(upstream: Upstream) -> None:
    publish(upstream.base, "oci://quay.io/acme/tiny:1")

    assert upstream.list() == {"oci://quay.io/acme/tiny:1": len(GGUF) + len(SYSTEM)}


def test_upstream_serves_what_we_have_pulled(upstream: Upstream) -> None:
    model = publish(upstream.base, "ollama://smollm2:135m")
    server = upstream.home / "llama-server"
    server.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    server.chmod(0o755)

    argv = upstream.run("serve", "ollama://smollm2:135m", PATH=str(server.parent)).splitlines()

    content = ModelStore(upstream.base).contents.path(model.files[0].digest)
    assert Path(argv[argv.index("--model") + 1]).samefile(content)


def test_upstream_does_not_pull_what_we_have_pulled(upstream: Upstream, hub: FileServer) -> None:
    publish(upstream.base, HUB)

    upstream.run("pull", HUB, HF_ENDPOINT=hub.url)

    assert hub.requests == []


def test_upstream_finds_a_safetensors_model_of_ours(upstream: Upstream) -> None:
    model = record(
        put(upstream.base, b"weights", "model.safetensors", FileKind.SAFETENSORS),
        put(upstream.base, b"{}", "config.json", FileKind.OTHER),
        reference=parse("hf://acme/st"),
    )
    ModelStore(upstream.base).publish(model)

    inspected = json.loads(upstream.run("inspect", "--json", "hf://acme/st"))

    assert upstream.list() == {"hf://acme/st": len(b"weights") + 2}
    assert Path(inspected["Path"]).read_bytes() == b"weights"
    (snapshot,) = (upstream.base / "store/huggingface/acme/st/snapshots").iterdir()
    assert files_below(snapshot) == {"model.safetensors", "config.json"}


def test_a_model_that_upstream_removes_stays_ours_and_is_freed_with_it(upstream: Upstream) -> None:
    model = publish(upstream.base, HUB)
    store = ModelStore(upstream.base)
    content = store.contents.path(model.files[0].digest)

    upstream.run("rm", HUB)

    assert upstream.list() == {}
    assert content.stat().st_nlink == 2  # the content and our snapshot
    assert store.find(parse(HUB)) == model
    assert store.open(model).weights[0].read_bytes() == GGUF
    assert store.remove(parse(HUB)).freed > 0
    assert list(store.contents.all()) == []


def test_a_model_that_we_remove_is_gone_for_upstream(upstream: Upstream) -> None:
    publish(upstream.base, HUB)
    publish(upstream.base, "hf://acme/tiny-GGUF")

    ModelStore(upstream.base).remove(parse(HUB))

    assert upstream.list() == {"hf://acme/tiny-GGUF": len(GGUF) + len(SYSTEM)}
    assert upstream.start("inspect", HUB).returncode != 0


def test_a_model_that_upstream_pulls_again_is_again_its_own(
    upstream: Upstream, hub: FileServer
) -> None:
    model = publish(upstream.base, HUB)
    upstream.run("rm", HUB)

    upstream.run("pull", HUB, HF_ENDPOINT=hub.url)

    store = ModelStore(upstream.base)
    assert store.find(parse(HUB)) == model
    assert len(store.list()) == 1
    store.remove(parse(HUB))
    assert upstream.list() == {}
    assert list((upstream.base / "store").iterdir()) == []


def test_a_model_that_upstream_has_pulled_is_listed_opened_and_removed(
    upstream: Upstream, hub: FileServer
) -> None:
    upstream.run("pull", HUB, HF_ENDPOINT=hub.url)
    before = files_below(upstream.base)
    store = ModelStore(upstream.base)

    (listed,) = store.list()
    assert (str(listed.reference), listed.complete) == (HUB, True)
    assert listed.size == upstream.list()[HUB]
    assert files_below(upstream.base) == before

    model = store.find(parse(HUB))
    assert model is not None
    opened = store.open(model)
    assert opened.weights[0].read_bytes() == GGUF
    assert [path.read_bytes() for path in opened.projectors] == [b"projector"]
    assert opened.chat_template is None  # what upstream has extracted, the weights carry anyway

    assert upstream.list() == {HUB: listed.size}

    store.remove(parse(HUB))
    assert upstream.list() == {}
    assert list(store.contents.all()) == []
    assert list((upstream.base / "store").iterdir()) == []
    with pytest.raises(ModelNotFound):
        store.remove(parse(HUB))


def test_a_file_that_upstream_has_copied_is_listed_and_removed(
    upstream: Upstream, tmp_path: Path
) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(GGUF)
    upstream.run("pull", f"file://{file}")
    store = ModelStore(upstream.base)

    (listed,) = store.list()
    model = store.find(listed.reference)

    assert listed.reference == parse(f"file://{file}")
    assert model is not None
    # Upstream names the blob for the file's name; we know its content.
    assert model.files[0].digest == digest_of(GGUF)

    store.remove(listed.reference)

    assert upstream.list() == {}
    assert file.read_bytes() == GGUF


def test_garbage_of_ours_is_none_of_upstreams(upstream: Upstream, hub: FileServer) -> None:
    upstream.run("pull", HUB, HF_ENDPOINT=hub.url)
    publish(upstream.base, "ollama://smollm2:135m", make_gguf("old"))
    publish(upstream.base, "ollama://smollm2:135m", make_gguf("new"))
    listed = upstream.list()

    report = ModelStore(upstream.base).collect_garbage()

    assert len(report.contents) == 1
    assert upstream.list() == listed
    assert json.loads(upstream.run("inspect", "--json", HUB))["Format"] == "GGUF"
