"""Find models at ModelScope; its double has been tested with ModelScope's own client."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import AccessDenied, ModelError, ModelPullError, UnknownModel
from ramalama.models.formats.model_files import Digest
from ramalama.models.http.client import ask, open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.transports.modelscope.transport import ModelScopeTransport
from tests.doubles.hub_content import MEMBER, STRANGER, Visibility
from tests.doubles.modelscope import ModelScope, refusal
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import httpx2

    from ramalama.models.transports.base import RemoteModel

NO_ENV: Mapping[str, str] = MappingProxyType({})
ROOT = "/api/v1/models/acme/tiny"
FILES = {
    "README.md": b"# Tiny",
    "sub/tiny-Q8_0.gguf": b"GGUF eight",
    "tiny-Q4_K_M.gguf": b"GGUF four",
}
SAFETENSORS_FILES = {
    "config.json": b"{}",
    "model-1.safetensors": b"one",
    "model-2.safetensors": b"two",
    "model.safetensors.index.json": b'{"weight_map": {"a": "model-2.safetensors"}}',
}


@dataclass(kw_only=True)
class World:
    """A user, and the hub on loopback that MODELSCOPE_ENDPOINT names."""

    server: FileServer
    hub: ModelScope
    client: httpx2.Client
    slept: list[float] = field(default_factory=list[float])

    def find(
        self, reference: str = "ms://acme/tiny", *, env: Mapping[str, str] = NO_ENV
    ) -> RemoteModel:
        transport = ModelScopeTransport(
            client=self.client,
            env={"MODELSCOPE_ENDPOINT": self.server.url, **env},
            retry_policy=RetryPolicy(tries=2, sleep=self.slept.append),
        )
        return transport.find(ModelRef.parse(reference), ModelFormat.GGUF)

    def fetch(self, model: RemoteModel) -> list[bytes]:
        locations = [(file.blob.client, file.blob.locate()) for file in model.files]
        return [ask(client, where.url, headers=where.headers).body for client, where in locations]


@pytest.fixture
def world() -> Generator[World]:
    with FileServer() as server, open_http() as client:
        hub = ModelScope(server)
        hub.add("acme/tiny", FILES)
        hub.add("acme/vllm", SAFETENSORS_FILES)
        yield World(server=server, hub=hub, client=client)


@pytest.mark.parametrize(
    ("reference", "names"),
    [
        ("ms://acme/tiny", ["tiny-Q4_K_M.gguf"]),
        ("modelscope://acme/tiny:q8_0", ["sub/tiny-Q8_0.gguf"]),
        ("ms://acme/tiny@master/sub/tiny-Q8_0.gguf", ["sub/tiny-Q8_0.gguf"]),
        ("ms://acme/vllm", ["model-2.safetensors", "config.json", "model.safetensors.index.json"]),
    ],
)
def test_every_form_of_a_reference_finds_its_files(
    world: World, reference: str, names: list[str]
) -> None:
    assert [file.name for file in world.find(reference).files] == names


def test_a_model_is_found_with_sizes_digests_and_the_way_to_its_bytes(world: World) -> None:
    model = world.find("ms://acme/vllm")

    expected = [SAFETENSORS_FILES[file.name] for file in model.files]
    assert model.revision is None
    assert [file.blob.size for file in model.files] == [len(content) for content in expected]
    assert [file.blob.digest for file in model.files] == [sha256(content) for content in expected]
    assert model.files[0].blob.identity == str(sha256(expected[0]))
    assert world.fetch(model) == expected


@pytest.mark.parametrize("branch", ["\ud800", "a\nb", "x" * 300])
def test_a_default_branch_that_cannot_be_is_refused(world: World, branch: str) -> None:
    answer = {"Success": True, "Data": {"Revision": branch}}
    world.server.routes[ROOT] = lambda _request: Reply.of_json(answer)

    with pytest.raises(ModelPullError, match=r"names no branch$"):
        world.find()


def test_a_model_takes_two_questions(world: World) -> None:
    world.find()

    assert [request.target for request in world.server.requests] == [
        ROOT,
        f"{ROOT}/repo/files?Revision=master&Recursive=True",
    ]


def test_the_token_goes_both_ways_to_the_endpoint_and_to_no_other_host(world: World) -> None:
    world.hub.add("acme/own", FILES, Visibility.PRIVATE)

    model = world.find("ms://acme/own", env={"MODELSCOPE_API_TOKEN": f" {MEMBER}\n"})

    assert world.fetch(model) == [FILES["tiny-Q4_K_M.gguf"]]
    assert "localhost" in {request.host for request in world.server.requests}
    assert MEMBER not in repr(model)


def test_a_listing_that_is_cut_is_read_by_directory(world: World) -> None:
    notes = {f"notes/{n // 1000}/{n}.txt": b"" for n in range(4000)}
    parts = {f"Q8_0/tiny-Q8_0-0000{n}-of-00003.gguf": b"GGUF" for n in (1, 2, 3)}
    world.hub.add("acme/large", {"README.md": b"", **notes, **parts})

    model = world.find("ms://acme/large")

    assert [file.name for file in model.files] == list(parts)
    assert {request.query.get("Root", "") for request in world.server.requests} == {
        *("", "Q8_0", "notes", "notes/0", "notes/1", "notes/2", "notes/3"),
    }


def test_a_directory_that_cannot_be_listed_to_its_end_is_refused(world: World) -> None:
    world.hub.add("acme/flat", {f"{n}.txt": b"" for n in range(3001)})

    with pytest.raises(ModelPullError, match=r"^ms://acme/flat has more files than 127\S+ lists$"):
        world.find("ms://acme/flat")


def test_directories_without_end_end(world: World) -> None:
    def answer(query: Mapping[str, str]) -> Reply:
        below = f"{query['Root']}/" if "Root" in query else ""
        many = 3000 if query["Recursive"] == "True" else 1
        trees = [{"Type": "tree", "Path": f"{below}a{n}"} for n in range(many)]
        return Reply.of_json({"Success": True, "Data": {"Files": trees}})

    world.server.routes[f"{ROOT}/repo/files"] = lambda request: answer(request.query)

    with pytest.raises(ModelPullError, match="has more files than"):
        world.find()


def test_a_directory_that_holds_itself_is_not_entered_again(world: World) -> None:
    trees = [{"Type": "tree", "Path": path} for path in ("", "/", "..", "\ud800", 7)]
    blob = {"Type": "blob", "Path": "tiny-Q8_0.gguf", "Size": 4, "Sha256": "ab" * 32}

    def answer(query: Mapping[str, str]) -> Reply:
        many = 3000 if query["Recursive"] == "True" and "Root" not in query else 1
        return Reply.of_json({"Success": True, "Data": {"Files": [*trees, *[blob] * many]}})

    world.server.routes[f"{ROOT}/repo/files"] = lambda request: answer(request.query)

    assert [file.name for file in world.find().files] == ["tiny-Q8_0.gguf"]


@pytest.mark.parametrize(
    ("reference", "env", "error", "message"),
    [
        ("acme/none", {}, UnknownModel, r"has no ms://acme/none, or hides it: record not found$"),
        ("acme/tiny@v2", {}, UnknownModel, r"or hides it: revision v2 not found$"),
        ("acme/own", {}, AccessDenied, r"no permission; set MODELSCOPE_API_TOKEN to log in$"),
        ("acme/own", {"MODELSCOPE_API_TOKEN": STRANGER}, AccessDenied, "has no permission$"),
        (
            "acme/tiny",
            {"MODELSCOPE_API_TOKEN": "a b"},
            AccessDenied,
            "^MODELSCOPE_API_TOKEN does not hold a valid token",
        ),
        ("acme/tiny:Q2_K", {}, UnknownModel, r"there are: Q8_0 \(10 B\), Q4_K_M \(9 B\)$"),
        ("acme/tiny/tiny-q4.gguf", {}, UnknownModel, r"did you mean tiny-Q4_K_M\.gguf\?"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(
    world: World, reference: str, env: Mapping[str, str], error: type[Exception], message: str
) -> None:
    world.hub.add("acme/own", FILES, Visibility.PRIVATE)

    with pytest.raises(error, match=message):
        world.find(f"ms://{reference}", env=env)


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (refusal(200, 10010205001, "record not found"), UnknownModel, "or hides it: record not"),
        (refusal(200, 403, "not\nyours"), AccessDenied, "refuses ms://acme/tiny: not yours; set"),
        (refusal(200, 10010990000, "busy"), ModelPullError, "failed for ms://acme/tiny: busy$"),
        (Reply(status=401, body=b"<html>"), AccessDenied, "refuses ms://acme/tiny: status 401;"),
        (
            Reply(status=502, body=b"<html>"),
            ModelPullError,
            "failed for ms://acme/tiny: status 502$",
        ),
        (refusal(429, 429, "slowly"), ModelPullError, "has had too many requests: slowly$"),
        (Reply(body=b"<html>"), ModelPullError, "is not JSON; is that the address of a hub"),
        (Reply(body=b"[]"), ModelPullError, "has no data$"),
        (Reply(body=b'{"Data": []}'), ModelPullError, "has no data$"),
        (Reply(body=b" " * 9_000_000), ModelPullError, "sends too much"),
    ],
)
def test_answers_that_say_no_or_nothing_become_one_line(
    world: World, reply: Reply, error: type[Exception], message: str
) -> None:
    world.server.routes[ROOT] = lambda _request: reply

    with pytest.raises(error, match=message) as refused:
        world.find()

    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("{}", "is not a listing$"),
        ('[{"Type": "blob", "Path": "a.gguf", "Size": "1"}]', r"the size of a\.gguf is not valid$"),
        ('[{"Type": "blob", "Path": "a.gguf", "Size": 1, "Sha256": "x"}]', "not a SHA-256 digest$"),
        ("null", "has no GGUF or safetensors files"),
        ('[{"Type": "blob", "Path": "../../a.gguf", "Size": 1}, 7]', "has no GGUF or safetensors"),
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(world: World, files: str, message: str) -> None:
    body = f'{{"Success": true, "Data": {{"Files": {files}}}}}'.encode()
    world.server.routes[f"{ROOT}/repo/files"] = lambda _request: Reply(body=body)

    with pytest.raises(ModelError, match=message):
        world.find()


def test_an_index_that_is_not_what_was_listed_is_refused(world: World) -> None:
    listed = [
        {"Type": "blob", "Path": path, "Size": 2, "Sha256": "ab" * 32}
        for path in ("model.safetensors", "model.safetensors.index.json")
    ]
    listing = Reply.of_json({"Success": True, "Data": {"Files": listed}})
    world.server.routes[f"{ROOT}/repo/files"] = lambda _request: listing
    world.server.routes[f"{ROOT}/repo"] = lambda _request: Reply(body=b"{}")

    with pytest.raises(ModelPullError, match=r"is not the model\S+ that it announced$"):
        world.find()


def test_a_file_without_a_digest_is_known_by_its_place(world: World) -> None:
    listed = [{"Type": "blob", "Path": "a b-Q8_0.gguf", "Size": 2, "Sha256": ""}]
    listing = Reply.of_json({"Success": True, "Data": {"Files": listed}})
    world.server.routes[f"{ROOT}/repo/files"] = lambda _request: listing

    (file,) = world.find().files

    assert file.blob.digest is None
    assert file.blob.identity == (
        f"ms:127.0.0.1:{world.server.port}{ROOT}/repo?Revision=master&FilePath=a+b-Q8_0.gguf"
    )


def sha256(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())
