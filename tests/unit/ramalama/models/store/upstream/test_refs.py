"""Upstream's reference files: written as it does, read whatever its age, believed in nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import StoreError
from ramalama.models.formats.model_files import FileKind
from ramalama.models.store.records import StoredFile
from ramalama.models.store.upstream.refs import UpstreamFile, format_ref, read_ref, upstream_ref
from tests.unit.ramalama.models.store.filled import digest_of, record

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = StoredFile(name="Q8/t.gguf", kind=FileKind.GGUF, digest=digest_of(b"weights"), size=7)
SYSTEM = StoredFile(name="system", kind=FileKind.SYSTEM, digest=digest_of(b"system"), size=6)

# As upstream 0.25 has written it.
WRITTEN = """\
{
  "files": [
    {
      "hash": "sha256:9a2c0cd8c4b7a3b1a4a5cc7ae9a80f6d2c25bd1ae6ff2a1a6d5c2d4b4a9b7f11",
      "name": "tiny-Q8_0.gguf",
      "type": "gguf"
    },
    {
      "hash": "sha256-872bf1f4ed7c1b2e5a8f1d8a52bd2f1d4a9f8ce35c3cc92fe2f2ce38b63c5a6d",
      "name": "chat_template_converted",
      "type": "chat_template"
    },
    {
      "hash": "b4ed7c1b2e5a8f1d8a52bd2f1d4a9f8ce35c3cc92fe2f2ce38b63c5a6d872bf1",
      "name": "config.json",
      "type": "other"
    }
  ],
  "hash": "sha256-9a2c0cd8c4b7a3b1a4a5cc7ae9a80f6d2c25bd1ae6ff2a1a6d5c2d4b4a9b7f11",
  "path": "/base/store/huggingface/acme/tiny-GGUF/refs/Q8_0.json",
  "version": "v1.0.1"
}"""


def test_a_model_is_written_as_upstream_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "135m.json"

    written = format_ref(upstream_ref(record(WEIGHTS, SYSTEM)), path)

    assert written.decode() == json.dumps(
        {
            "files": [
                {"hash": str(WEIGHTS.digest), "name": "Q8/t.gguf", "type": "gguf"},
                {"hash": str(SYSTEM.digest), "name": "system", "type": "other"},
            ],
            "hash": f"sha256-{WEIGHTS.digest.hex}",
            "path": str(path),
            "version": "v1.0.1",
        },
        indent=2,
    )


@pytest.mark.parametrize("kind", FileKind)
def test_what_upstream_has_no_type_for_is_other(tmp_path: Path, kind: FileKind) -> None:
    model = record(WEIGHTS, replace(SYSTEM, kind=kind))
    fields = json.loads(format_ref(upstream_ref(model), tmp_path / "x.json"))
    own = {"gguf", "safetensor", "mmproj", "chat_template"}

    assert fields["files"][1]["type"] == (kind if kind in own else "other")


def test_a_snapshot_is_named_for_the_first_weights() -> None:
    projector = replace(SYSTEM, kind=FileKind.PROJECTOR)

    assert upstream_ref(record(projector, WEIGHTS)).snapshot == WEIGHTS.digest.file_name
    assert upstream_ref(record(SYSTEM)).snapshot == SYSTEM.digest.file_name


def test_a_file_of_upstreams_is_read(tmp_path: Path) -> None:
    path = tmp_path / "Q8_0.json"
    path.write_text(WRITTEN)

    ref = read_ref(path)

    assert ref.snapshot.startswith("sha256-9a2c")
    assert [(file.name, file.kind, file.blob) for file in ref.files] == [
        ("tiny-Q8_0.gguf", FileKind.GGUF, ref.snapshot),
        (
            "chat_template_converted",
            FileKind.CHAT_TEMPLATE,
            "sha256-872bf1f4ed7c1b2e5a8f1d8a52bd2f1d4a9f8ce35c3cc92fe2f2ce38b63c5a6d",
        ),
        (
            "config.json",
            FileKind.OTHER,
            "b4ed7c1b2e5a8f1d8a52bd2f1d4a9f8ce35c3cc92fe2f2ce38b63c5a6d872bf1",
        ),
    ]


@pytest.mark.parametrize(
    ("name", "kind", "read"),
    [
        ("model-00002-of-00002.safetensors", "other", FileKind.SAFETENSORS),
        ("tiny-00002-of-00002.gguf", "other", FileKind.GGUF),
        ("mmproj.gguf", "mmproj", FileKind.PROJECTOR),
        ("chat_template_extracted", "chat_template", FileKind.OTHER),
        ("chat_template_extracted", "other", FileKind.OTHER),
        ("README.md", "of the future", FileKind.OTHER),
        ("system", "system", FileKind.OTHER),
    ],
)
def test_a_file_is_what_upstream_says_or_its_name(
    tmp_path: Path, name: str, kind: str, read: FileKind
) -> None:
    path = tmp_path / "latest.json"
    files = [{"hash": "sha256:0", "name": name, "type": kind}]
    path.write_text(json.dumps({"files": files, "hash": "sha256-0", "version": "v1.0.0"}))

    assert read_ref(path).files[0].kind is read


def test_the_lines_of_older_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "latest"
    path.write_text(
        "sha256:9a2c\ntiny.gguf---model\nchat_template---chat\nmm.gguf---mmproj\nREADME---\nx\n"
    )

    ref = read_ref(path)

    assert ref.snapshot == "sha256-9a2c"
    assert ref.files == (
        UpstreamFile(name="tiny.gguf", kind=FileKind.GGUF, blob=None),
        UpstreamFile(name="chat_template", kind=FileKind.CHAT_TEMPLATE, blob=None),
        UpstreamFile(name="mm.gguf", kind=FileKind.PROJECTOR, blob=None),
        UpstreamFile(name="README", kind=FileKind.OTHER, blob=None),
        UpstreamFile(name="x", kind=FileKind.OTHER, blob=None),
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b""),
        ("a.json", b"{}"),
        ("a.json", b'{"files": {}, "hash": "x"}'),
        ("a.json", b'{"files": [1], "hash": "x"}'),
        ("a.json", b'{"files": [], "hash": ""}'),
        ("a.json", b'{"files": [], "hash": "../../evil"}'),
        ("a.json", b'{"files": [{"name": "../evil", "hash": "x"}], "hash": "x"}'),
        ("a.json", b'{"files": [{"name": "a", "hash": "../evil"}], "hash": "x"}'),
        ("a.json", b'{"files": [{"name": "a", "hash": "/evil"}], "hash": "x"}'),
        ("a.json", b'{"files": [{"name": "a", "hash": "sub/evil"}], "hash": "x"}'),
        ("a.json", b'{"files": [], "hash": "sub/evil"}'),
        ("a.json", b'{"files": [{"name": "a", "hash": ".."}], "hash": "x"}'),
        ("a.json", b'{"files": [{"name": "a", "hash": "x\\u0000"}], "hash": "x"}'),
        ("a.json", b"[" * 100_000),
        ("a.json", b" " * 5 * 1024 * 1024),
        ("a", b""),
        ("a", b"\xff"),
        ("a", b"../evil\na---model"),
        ("a", b"sha256:1\n../evil---model"),
        ("a", b"x" * 5 * 1024 * 1024),
    ],
)
def test_what_is_no_reference_or_leads_elsewhere_is_refused(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(StoreError, match=str(path)) as caught:
        read_ref(path)

    assert str(caught.value).isprintable()


@given(hash_=st.text(max_size=8) | st.text("./\\:", max_size=8), name=st.text("./a\\", max_size=8))
def test_no_name_in_a_reference_leads_elsewhere(
    tmp_path_factory: pytest.TempPathFactory, hash_: str, name: str
) -> None:
    path = tmp_path_factory.mktemp("refs") / "a.json"
    path.write_text(json.dumps({"files": [{"name": name, "hash": hash_}], "hash": hash_}))
    try:
        ref = read_ref(path)
    except StoreError:
        return
    blobs = path.parent / "blobs"

    assert (blobs / ref.snapshot).parent == blobs
    assert (blobs / f"{ref.files[0].blob}").parent == blobs
    assert ref.snapshot not in (".", "..")
    assert ".." not in (blobs / ref.files[0].name).parts
