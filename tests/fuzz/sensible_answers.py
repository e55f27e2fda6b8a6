"""Answers that make sense, by registry or hub, from which a fuzzer goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.doubles.oci_models import DOCKER_CONFIG, IMAGE_CONFIG, IMAGE_LAYER
from tests.fuzz import manifests
from tests.fuzz.answers import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Conversation = Sequence[bytes]

DIGEST: Final = "sha256:" + "ab" * 32

_COMMIT = "ab" * 20
_INDEX = "model.safetensors.index.json"
_GGUFS = {"tiny-Q4_K_M.gguf": 4, "Q8_0/tiny-Q8_0-00001-of-00001.gguf": 8, "mmproj-F16.gguf": 2}
_WEIGHTS = {"model-1.safetensors": 4, "config.json": 2, "1_Pooling/config.json": 2, "x.py": 1}
_BEARER = 'Bearer realm="https://auth.test/token",service="registry.test",scope="x"'
_TOKEN = {"token": "abc", "access_token": "abc", "expires_in": 300}
_ERRORS = {"errors": [{"code": "DENIED", "message": "not for you"}]}


def oci() -> Sequence[Conversation]:
    """Answers to the question whether there is TLS, and for the manifest and what is in it."""
    config = {
        "config": {"Labels": {"org.containers.type": "ai.image.model.raw"}},
        "history": [{"created_by": "ADD x"}],
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    }
    image = {
        "schemaVersion": 2,
        "config": {"mediaType": IMAGE_CONFIG, "digest": "@3", "size": 2},
        "layers": [{"mediaType": f"{IMAGE_LAYER}+gzip", "digest": DIGEST, "size": 7}],
    }
    index = {"schemaVersion": 2, "manifests": [{"digest": "@3", "size": 2, "mediaType": "x"}]}
    challenge = written(b"{}", status=401, headers={"www-authenticate": _BEARER})
    basic = written(b"{}", status=401, headers={"www-authenticate": 'Basic realm="x"'})
    return (
        *([written(b"{}"), written(made)] for made in manifests.seeds()),
        [written(b""), _json(image), _json(config)],
        [written(b""), _json(index), _json(image).replace(b"@3", b"@4"), _json(config)],
        [written(b""), challenge, _json(_TOKEN), _json(image).replace(b"@3", b"@5"), _json(config)],
        [written(b""), basic, _json(_ERRORS, status=403)],
        [written(b""), _json(_ERRORS, status=404), _json({"tags": ["1.0", "latest"]})],
        [written(b""), _json(_ERRORS, status=429, headers={"retry-after": "5"})],
        [
            written(b""),
            _moved("https://cdn.test/"),
            _json(image).replace(b"@3", b"@4"),
            _json(config),
        ],
    )


def ollama() -> Sequence[Conversation]:
    """Answers for the manifest and the configuration."""
    kinds = ("model", "template", "params", "system", "license", "projector")
    layers = [
        {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": DIGEST, "size": number}
        for number, kind in enumerate(kinds)
    ]
    config = {"mediaType": DOCKER_CONFIG, "digest": "@2", "size": 9}
    manifest = {"schemaVersion": 2, "config": config, "layers": layers}
    configuration = {"model_format": "gguf", "remote_host": "", "requires": "0.1"}
    return (
        [_json(manifest), _json(configuration)],
        [_json({}, status=404), _json(manifest)],
        [_json(_ERRORS, status=412)],
        [_moved("https://cdn.test/"), _json(manifest).replace(b"@2", b"@3"), _json(configuration)],
    )


def hugging_face() -> Sequence[Conversation]:
    """Answers for the commit, the listing, and small files."""
    pin, gated = {"sha": _COMMIT, "gated": False}, {"sha": _COMMIT, "gated": "auto"}
    more = {"link": '<https://huggingface.co/api/models/x/tree/y?cursor=abc>; rel="next"'}
    unknown = _json({}, status=401, headers={"x-error-code": "RepoNotFound"})
    locked = written(b"", status=403, headers={"x-error-code": "GatedRepo"})
    return (
        [_json(pin), _json(_tree(_GGUFS))],
        [_json(pin), _json(_tree(_GGUFS), headers=more), _json(_tree(_WEIGHTS))],
        [_json(pin), _json(_tree(_WEIGHTS, index="@3")), _json(_weight_map())],
        [_json(gated), locked],
        [unknown, _json([{"id": "acme/tiny-GGUF"}, {"id": "acme/tiny-2"}])],
        [written(b"", status=429, headers={"ratelimit": '"api";r=0;t=55'}), _json(pin)],
        [_moved("/elsewhere"), _json(pin), _json(_tree(_GGUFS))],
    )


def modelscope() -> Sequence[Conversation]:
    """Answers for the default branch, the listing, and small files."""
    repository = {"Success": True, "Code": 200, "Data": {"Revision": "master"}}
    refused = {"Success": False, "Code": 10010205001, "Message": "record not found"}
    return (
        [_json(repository), _json(_listing(_GGUFS))],
        [_json(repository), _json(_listing(_WEIGHTS, index="@3")), _json(_weight_map())],
        [_json(refused)],
        [_json(refused, status=403)],
    )


def url() -> Sequence[Conversation]:
    """Answers for the first bytes of files."""
    headers = {
        "content-range": "bytes 0-3/1000",
        "etag": '"abc"',
        "content-disposition": "attachment; filename=\"tiny.gguf\"; filename*=UTF-8''t%C3%A9.gguf",
    }
    part = written(b"GGUF", status=206, headers=headers)
    whole = written(b"GGUFmore", headers={"content-length": "8", "last-modified": "x"})
    return (
        [part, part],
        [whole],
        [written(b"<html>", headers={"content-type": "text/html"})],
        [written(b"", status=404)],
        [_moved("https://cdn.test/x?signed"), part],
    )


def _tree(files: Mapping[str, int], *, index: str = "") -> Sequence[Mapping[str, object]]:
    found: list[dict[str, object]] = [
        {"type": "file", "path": path, "size": size, "lfs": {"oid": DIGEST[7:], "size": size}}
        for path, size in files.items()
    ]
    found.append({"type": "directory", "path": "Q8_0"})
    if index:
        found.append(
            {"type": "file", "path": _INDEX, "size": 99, "lfs": {"oid": index, "size": 99}}
        )
    return found


def _listing(files: Mapping[str, int], *, index: str = "") -> Mapping[str, object]:
    found = [
        {"Type": "blob", "Path": path, "Size": size, "Sha256": DIGEST[7:]}
        for path, size in files.items()
    ]
    found.append({"Type": "tree", "Path": "Q8_0"})
    if index:
        found.append({"Type": "blob", "Path": _INDEX, "Size": 99, "Sha256": index})
    return {"Success": True, "Code": 200, "Data": {"Files": found}}


def _weight_map() -> Mapping[str, object]:
    return {"metadata": {"total_size": 4}, "weight_map": {"lm_head": "model-1.safetensors"}}


def _moved(place: str) -> bytes:
    return written(b"", status=307, headers={"location": place})


def _json(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    return written(json.dumps(value).encode(), status=status, headers=headers)
