"""Models of Ollama's registry, from a double of it on loopback."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import (
    AccessDenied,
    ModelError,
    ModelPullError,
    ModelUnsupported,
    UnknownModel,
)
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.http.client import ask, open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.transports.ollama.transport import OllamaTransport
from tests.doubles import ollama
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ramalama.models.transports.base import RemoteModel

HASTE = RetryPolicy(tries=2, sleep=lambda _seconds: None)
WEIGHTS = b"GGUF weights"
EVERYTHING = {
    "model": WEIGHTS,
    "projector": b"GGUF projector",
    "projector.2": b"GGUF second projector",
    "adapter": b"GGUF adapter",
    "draft": b"GGUF draft",
    "template": b"{{ .Prompt }}",
    "system": b"You are a seal.",
    "params": b'{"stop": ["<|im_end|>"]}',
    "messages": b"[]",
    "license": b"Apache",
    "license.2": b"and more",
    "embed": b"obsolete",
    "something-new": b"whatever",
}


MODEL_LAYER = {
    "mediaType": "application/vnd.ollama.image.model",
    "digest": ollama.sha256(WEIGHTS),
    "size": len(WEIGHTS),
}


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def client() -> Generator[httpx2.Client]:
    with open_http() as opened:
        yield opened


@pytest.fixture
def find(server: FileServer, client: httpx2.Client) -> Callable[[str], RemoteModel]:
    def find_here(text: str) -> RemoteModel:
        transport = OllamaTransport(client=client, registry=server.url, retry_policy=HASTE)
        return transport.find(ModelRef.parse(text), ModelFormat.GGUF)

    return find_here


def test_every_layer_that_a_server_can_use_is_found_under_a_name_that_tells_what_it_is(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    ollama.publish(server, "library/smollm2", EVERYTHING, tag="135m")

    model = find("smollm2:135m")

    assert [(file.name, file.kind) for file in model.files] == [
        ("smollm2-135m.gguf", FileKind.GGUF),
        ("smollm2-135m-mmproj.gguf", FileKind.PROJECTOR),
        ("smollm2-135m-mmproj-2.gguf", FileKind.PROJECTOR),
        ("smollm2-135m-adapter.gguf", FileKind.ADAPTER),
        ("smollm2-135m-draft.gguf", FileKind.DRAFT),
        ("smollm2-135m-template.txt", FileKind.GO_TEMPLATE),
        ("smollm2-135m-system.txt", FileKind.SYSTEM),
        ("smollm2-135m-params.json", FileKind.PARAMETERS),
        ("smollm2-135m-messages.json", FileKind.MESSAGES),
        ("smollm2-135m-license.txt", FileKind.LICENSE),
        ("smollm2-135m-license-2.txt", FileKind.LICENSE),
    ]


def test_the_older_name_of_a_template_is_known(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    ollama.publish(server, "library/old", {"model": WEIGHTS, "prompt": b"{{ .Prompt }}"})

    assert find("old").files[1].kind is FileKind.GO_TEMPLATE


def test_the_model_is_pinned_by_the_digest_of_its_manifest(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    manifest = ollama.publish(server, "library/smollm2", {"model": WEIGHTS})

    model = find("smollm2")

    assert model.revision == ollama.sha256(manifest)
    assert model.reference == ModelRef.parse("ollama://library/smollm2:latest")


def test_a_blob_says_how_many_bytes_of_which_digest_it_has_and_a_get_brings_them(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    ollama.publish(server, "me/smollm2", {"model": WEIGHTS})

    blob = find("me/smollm2").files[0].blob

    assert (blob.size, blob.digest) == (len(WEIGHTS), Digest.parse(ollama.sha256(WEIGHTS)))
    assert blob.identity == ollama.sha256(WEIGHTS)
    assert ask(blob.client, blob.locate().url).body == WEIGHTS


def test_the_other_host_that_blobs_are_at_is_told_no_secret(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    ollama.publish(server, "library/smollm2", {"model": WEIGHTS})
    blob = find("smollm2").files[0].blob

    answer = ask(blob.client, blob.locate().url, headers={"authorization": "Bearer secret"})

    assert answer.body == WEIGHTS


def test_all_formats_of_manifests_are_accepted_as_strict_registries_want_it(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    ollama.publish(server, "library/smollm2", {"model": WEIGHTS})

    find("smollm2")

    accepted = server.asked("/v2/library/smollm2/manifests/latest")[0].headers["accept"]
    assert accepted.split(", ") == [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ]


def test_a_reference_may_name_another_registry(server: FileServer, client: httpx2.Client) -> None:
    ollama.publish(server, "me/granite", {"model": WEIGHTS}, tag="2b")
    reference = ModelRef.parse(f"ollama://127.0.0.1:{server.port}/me/granite:2b")

    model = OllamaTransport(client=client).find(reference, ModelFormat.GGUF)

    assert model.files[0].name == "granite-2b.gguf"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("smollm2", "https://registry.ollama.ai/v2/library/smollm2/manifests/latest"),
        ("ollama://hf.co/org/repo:Q4", "https://hf.co/v2/org/repo/manifests/Q4"),
        ("ollama://10.0.0.1:5000/ns/m", "https://10.0.0.1:5000/v2/ns/m/manifests/latest"),
        ("ollama://localhost.e.com/ns/m", "https://localhost.e.com/v2/ns/m/manifests/latest"),
        ("ollama://localhost/ns/m", "http://localhost/v2/ns/m/manifests/latest"),
        ("ollama://127.8.9.1:5000/ns/m", "http://127.8.9.1:5000/v2/ns/m/manifests/latest"),
        ("ollama://[::1]:5000/ns/m", "http://[::1]:5000/v2/ns/m/manifests/latest"),
        ("ollama://[::1]/ns/m", "http://[::1]/v2/ns/m/manifests/latest"),
        ("ollama://[2001:db8::1]/ns/m", "https://[2001:db8::1]/v2/ns/m/manifests/latest"),
    ],
)
def test_only_this_machine_is_asked_without_tls(text: str, url: str) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(403)

    with pytest.raises(AccessDenied):
        find_at(answer, text)

    assert asked == [url]


@pytest.mark.parametrize(
    ("layers", "config", "reason"),
    [
        (
            {"tensor": b"1", "tensor.2": b"2", "json": b"{}"},
            {"model_format": "safetensors", "requires": "0.19.0"},
            "is made for Ollama's own engine 0.19.0; choose a tag with GGUF weights",
        ),
        (
            {"model": WEIGHTS, "tensor": b"1"},
            {},
            "is made for Ollama's own engine; choose a tag with GGUF weights",
        ),
        (
            {"model": WEIGHTS},
            {"model_format": "ggml", "requires": "1\x1b[31m\n2"},
            "is made for Ollama's own engine 1\\x1b[31m 2; choose",
        ),
        (
            {"license": b"mine"},
            {"remote_host": "https://ollama.com:443", "remote_model": "gpt-oss:120b"},
            "runs in Ollama's cloud; there are no weights of it to download",
        ),
        ({"license": b"mine"}, {}, "has no layers with weights instead of one"),
        ({"model": b"1", "model.2": b"2"}, {}, "has 2 layers with weights instead of one"),
    ],
)
def test_what_llama_cpp_cannot_load_is_refused_with_the_reason(
    layers: Mapping[str, bytes],
    config: Mapping[str, object],
    reason: str,
    server: FileServer,
    find: Callable[[str], RemoteModel],
) -> None:
    ollama.publish(server, "library/m", layers, config=config)

    with pytest.raises(ModelUnsupported) as caught:
        find("m")

    assert str(caught.value).startswith("ollama://library/m:latest ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (
            412,
            b'pull model manifest:\n\x1b[31mthis model requires a newer version\x00 of "Ollama"',
            ModelUnsupported,
            r'pull model manifest: \x1b[31mthis model requires a newer version\x00 of "Ollama"',
        ),
        (412, b"", ModelUnsupported, "does not give ollama://library/m:latest to this client"),
        (400, b'{"error":"The specified tag is not available"}', UnknownModel, "tag is not avail"),
        (401, b"", AccessDenied, "does not give public access to ollama://library/m:latest"),
        (403, b"", AccessDenied, "does not give public access to ollama://library/m:latest"),
        (429, b"", ModelPullError, "has had too many requests; try again later"),
        (500, b"oh no", ModelPullError, "answered 500: oh no"),
        (503, b"x" * 100_000, ModelPullError, f"answered 503: {'x' * 200}…"),
        (204, b"", ModelPullError, "is not valid"),
    ],
)
def test_a_refusal_says_what_the_registry_says_in_one_line(  # noqa: PLR0913, PLR0917 (a table's columns)
    status: int,
    body: bytes,
    error: type[ModelError],
    words: str,
    server: FileServer,
    find: Callable[[str], RemoteModel],
) -> None:
    ollama.refuse(server, "library/m", status=status, body=body)

    with pytest.raises(error) as caught:
        find("m")

    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_tag_that_is_not_there_is_told_from_a_model_that_is_not(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    ollama.publish(server, "library/smollm2", {"model": WEIGHTS})

    with pytest.raises(UnknownModel, match=r"has no library/smollm2:13b, but other tags$") as tag:
        find("smollm2:13b")
    with pytest.raises(UnknownModel, match=r"has no library/smolm2:latest$") as model:
        find("smolm2")

    assert tag.value.alternatives == ("ollama://library/smollm2:latest",)
    assert model.value.alternatives == ()
    assert len(server.asked("/v2/library/smolm2/manifests/latest")) == 1


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("smolm2", "; https://ollama.com/search?q=smolm2 shows what there is"),
        (
            "org/Model-GGUF",
            "?q=Model-GGUF shows what there is; at Hugging Face it would be hf://org/Model-GGUF",
        ),
    ],
)
def test_who_asks_ollamas_own_registry_in_vain_learns_where_to_look(text: str, hint: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        find_at(lambda _: httpx2.Response(404), text)

    assert str(caught.value).endswith(hint)


def test_ollamas_own_page_lists_the_tags() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200 if request.url.path.endswith("/latest") else 404)

    with pytest.raises(UnknownModel, match=r"; https://ollama\.com/me/m/tags lists them$"):
        find_at(answer, "me/m:13b")


def manifest(**changes: object) -> dict[str, object]:
    return ollama.make_manifest({"model": WEIGHTS}, b"{}") | changes


def layer(**changes: object) -> dict[str, object]:
    return manifest(layers=[MODEL_LAYER | changes])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><title>Please sign in to the hotel's network</title>",
        b"null",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        json.dumps(manifest(schemaVersion=1)).encode(),
        json.dumps(manifest(config=None)).encode(),
        json.dumps(manifest(layers={})).encode(),
        json.dumps(manifest(layers=["sha256:0"])).encode(),
        json.dumps(layer(digest="sha256:../../../etc/passwd")).encode(),
        json.dumps(layer(digest="md5:00")).encode(),
        json.dumps(layer(digest=None)).encode(),
        json.dumps(layer(size=-1)).encode(),
        json.dumps(layer(size=1.5)).encode(),
        json.dumps(layer(size=10**30)).encode(),
        json.dumps(layer(mediaType=["model"])).encode(),
        b" " * (5 * 1024 * 1024),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    content: bytes, server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    server.routes["/v2/library/m/manifests/latest"] = lambda _: Reply(body=content)

    with pytest.raises(ModelPullError) as caught:
        find("m")

    assert str(caught.value).isprintable()


def test_a_list_of_images_is_no_model(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    content = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    server.routes["/v2/library/m/manifests/latest"] = lambda _: Reply(body=content)

    with pytest.raises(ModelUnsupported, match="is a list of images"):
        find("m")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(body=b'{"model_format": "gguf" }'), "instead of sha256:"),
        (Reply(body=b"x" * 2_000_000), "sends too much"),
        (Reply(status=404), "answered 404"),
        (Reply(body=b"{}", cut_after=1), "cannot be used"),
    ],
)
def test_a_configuration_that_is_not_what_was_announced_is_refused(
    reply: Reply, words: str, server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    ollama.publish(server, "library/m", {"model": WEIGHTS}, config={})
    server.routes[f"/cdn/{ollama.sha256(b'{}')}"] = lambda _: reply

    with pytest.raises(ModelPullError, match=words):
        find("m")


def test_a_configuration_of_absurd_size_is_not_asked_for(
    server: FileServer, find: Callable[[str], RemoteModel]
) -> None:
    content = manifest(config={"digest": ollama.sha256(b"{}"), "size": 2**40})
    server.routes["/v2/library/m/manifests/latest"] = lambda _: Reply.of_json(content)

    with pytest.raises(ModelPullError, match="has 1099511627776 bytes, which is too many"):
        find("m")

    assert len(server.requests) == 1


def test_a_configuration_must_be_an_object() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if "/blobs/" in request.url.path:
            return httpx2.Response(200, content=b"[]")
        return httpx2.Response(200, json=ollama.make_manifest({"model": WEIGHTS}, b"[]"))

    with pytest.raises(ModelPullError, match="it is not a JSON object"):
        find_at(answer, "m")


def test_a_server_that_does_not_run_is_a_model_error_that_names_it(
    client: httpx2.Client,
) -> None:
    with FileServer() as closed:
        registry = closed.url
    transport = OllamaTransport(client=client, registry=registry, retry_policy=HASTE)

    with pytest.raises(
        ModelPullError,
        match=rf"^{registry.removeprefix('http://')} cannot be used: Connection refused; "
        r"check the address, the network and the proxy$",
    ):
        transport.find(ModelRef.parse("m"), ModelFormat.GGUF)


def test_a_circle_of_redirects_ends(server: FileServer, find: Callable[[str], RemoteModel]) -> None:
    path = "/v2/library/m/manifests/latest"
    server.routes[path] = lambda _: Reply.redirect(path)

    with pytest.raises(ModelPullError, match="cannot be used: more than 10 redirects"):
        find("m")

    assert len(server.requests) < 20


def test_an_answer_from_a_place_without_tls_is_not_believed() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.scheme == "https":
            elsewhere = {"location": "http://evil.example/"}
            return httpx2.Response(302, headers=elsewhere, stream=httpx2.ByteStream(b""))
        return httpx2.Response(200, json=ollama.make_manifest({"model": WEIGHTS}, b"{}"))

    with pytest.raises(ModelPullError, match="redirects to a server without TLS"):
        find_at(answer, "m")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
DESCRIPTORS = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.sampled_from(
            ["application/vnd.ollama.image.model", "application/vnd.ollama.image.license"]
        )
        | JSON,
        "digest": st.just(ollama.sha256(WEIGHTS)) | JSON,
        "size": st.integers(0, 2**40) | JSON,
        "annotations": JSON,
        "platform": JSON,
        "from": JSON,
    },
)
OTHER_LAYERS = st.lists(
    st.fixed_dictionaries(
        {
            "mediaType": st.sampled_from(["license", "projector", "../../x", "embed"]).map(
                "application/vnd.ollama.image.{}".format
            )
            | st.text(),
            "digest": st.just(ollama.sha256(WEIGHTS)),
            "size": st.integers(0, 2**40),
        }
    )
)
MANIFESTS = st.fixed_dictionaries(
    {"schemaVersion": st.just(2) | JSON},
    optional={
        "mediaType": st.just(ollama.MANIFEST_TYPE) | JSON,
        "config": DESCRIPTORS | JSON,
        "layers": st.lists(DESCRIPTORS | JSON) | JSON,
        "manifests": JSON,
        "annotations": JSON,
    },
)


@given(manifest=MANIFESTS | JSON)
def test_whatever_a_registry_says_is_a_model_or_refused(manifest: object) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=json.dumps(manifest))

    with pytest.raises(ModelError):
        find_at(answer, "ns/name:tag")


@given(others=OTHER_LAYERS)
def test_whatever_else_a_model_has_its_files_have_names_of_ours(
    others: list[dict[str, object]],
) -> None:
    description = ollama.make_manifest({"model": WEIGHTS}, b"{}")
    description["layers"] = [*others, MODEL_LAYER]

    def answer(request: httpx2.Request) -> httpx2.Response:
        content = b"{}" if "/blobs/" in request.url.path else json.dumps(description)
        return httpx2.Response(200, content=content)

    names = [file.name for file in find_at(answer, "ns/name:tag").files]

    assert "name-tag.gguf" in names
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"name-tag(-[a-z]+)?(-[0-9]+)?\.[a-z]+", name) for name in names)


def find_at(answer: Callable[[httpx2.Request], httpx2.Response], text: str) -> RemoteModel:
    """Find *text* with the real addresses, of which *answer* takes the place."""
    transport = httpx2.MockTransport(answer)
    with httpx2.Client(transport=transport) as client:
        return OllamaTransport(client=client, retry_policy=HASTE).find(
            ModelRef.parse(text), ModelFormat.GGUF
        )
