"""Finding models at Hugging Face; its double has been proven by others' clients."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import AccessDenied, ModelPullError, UnknownModel
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.http.client import ask, open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.transports.huggingface.transport import HuggingFaceTransport
from tests.doubles.faults import faulty, refuse, times
from tests.doubles.hub import HuggingFace
from tests.doubles.hub_content import MEMBER, STRANGER, Visibility
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    import httpx2

    from ramalama.models.download.values import RemoteBlob
    from ramalama.models.transports.base import RemoteModel
    from tests.doubles.server import Request

NO_ENV: Mapping[str, str] = MappingProxyType({})
GATED = (
    "hf://acme/gated requires you to accept its licence: do so on https://huggingface.co/acme/gated"
)
Q4, Q8, MMPROJ = b"GGUF four", b"GGUF eight bits", b"GGUF projector"
GGUF_FILES = {
    "README.md": b"# Tiny",
    "mmproj-F16.gguf": MMPROJ,
    "sub/tiny-Q8_0.gguf": Q8,
    "tiny-Q4_K_M.gguf": Q4,
}
SAFETENSORS_FILES = {
    "config.json": b'{"architectures": ["Tiny"]}',
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "modeling.py": b"import os",
}


@dataclass(kw_only=True)
class World:
    """A user, and the hub on loopback that HF_ENDPOINT names."""

    server: FileServer
    hub: HuggingFace
    client: httpx2.Client
    home: Path
    slept: list[float] = field(default_factory=list[float])

    def find(
        self,
        reference: str = "hf://acme/tiny",
        *,
        wanted: ModelFormat = ModelFormat.GGUF,
        env: Mapping[str, str] = NO_ENV,
    ) -> RemoteModel:
        transport = HuggingFaceTransport(
            client=self.client,
            env={"HF_ENDPOINT": self.server.url, **env},
            home=self.home,
            retry_policy=RetryPolicy(tries=2, sleep=self.slept.append),
        )
        return transport.find(ModelRef.parse(reference), wanted)

    def fetch(self, blob: RemoteBlob) -> bytes:
        location = blob.locate()
        return ask(blob.client, location.url, headers=location.headers).body


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with FileServer() as server, open_http() as client:
        hub = HuggingFace(server)
        hub.add("acme/tiny", GGUF_FILES)
        hub.add("acme/vllm", SAFETENSORS_FILES)
        yield World(server=server, hub=hub, client=client, home=tmp_path)


def sha256(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("reference", "names"),
    [
        ("hf://acme/tiny", ["tiny-Q4_K_M.gguf", "mmproj-F16.gguf"]),
        ("huggingface://acme/tiny:Q8_0", ["sub/tiny-Q8_0.gguf", "mmproj-F16.gguf"]),
        ("hf.co/acme/tiny:q8_0", ["sub/tiny-Q8_0.gguf", "mmproj-F16.gguf"]),
        ("hf://acme/tiny@main/sub/tiny-Q8_0.gguf", ["sub/tiny-Q8_0.gguf"]),
        ("hf://acme/tiny/tiny-Q4_K_M.gguf", ["tiny-Q4_K_M.gguf"]),
    ],
)
def test_every_form_of_a_reference_finds_its_files(
    world: World, reference: str, names: list[str]
) -> None:
    assert [file.name for file in world.find(reference).files] == names


def test_a_model_is_found_with_sizes_digests_and_the_way_to_its_bytes(world: World) -> None:
    model = world.find()

    weights, projector = model.files
    assert model.revision == world.hub.repositories["acme/tiny"].head
    assert (weights.kind, projector.kind) == (FileKind.GGUF, FileKind.PROJECTOR)
    assert (weights.blob.size, weights.blob.digest) == (len(Q4), sha256(Q4))
    assert weights.blob.identity == str(sha256(Q4))
    assert [world.fetch(file.blob) for file in model.files] == [Q4, MMPROJ]


def test_what_else_there_is_of_a_model_is_told_with_its_size(world: World) -> None:
    variants = world.find("hf://acme/tiny").variants

    assert {(each.reference, each.size) for each in variants} == {
        ("hf://acme/tiny:Q4_K_M", len(Q4)),
        ("hf://acme/tiny:Q8_0", len(Q8)),
    }


def test_a_model_takes_two_questions(world: World) -> None:
    commit = world.find().revision

    assert [request.target for request in world.server.requests] == [
        "/api/models/acme/tiny/revision/main",
        f"/api/models/acme/tiny/tree/{commit}?recursive=true&expand=false",
    ]


def test_what_is_fetched_is_of_the_commit_that_was_found(world: World) -> None:
    model = world.find("hf://acme/vllm", wanted=ModelFormat.SAFETENSORS)

    world.hub.repositories["acme/vllm"].push({"config.json": b"new", "model.safetensors": b"new"})

    assert world.fetch(model.files[0].blob) == b"weights"
    assert world.find("hf://acme/vllm").revision != model.revision


def test_a_revision_can_be_named(world: World) -> None:
    repository = world.hub.repositories["acme/tiny"]
    first = repository.head
    repository.push({"tiny-Q2_K.gguf": b"GGUF other"})

    assert world.find(f"hf://acme/tiny@{first}").revision == first
    assert [file.name for file in world.find().files] == ["tiny-Q2_K.gguf"]


def test_every_file_of_a_safetensors_model_has_its_digest(world: World) -> None:
    model = world.find("hf://acme/vllm", wanted=ModelFormat.SAFETENSORS)

    digests = {file.name: file.blob.digest for file in model.files}
    assert digests == {
        name: sha256(content)
        for name, content in SAFETENSORS_FILES.items()
        if name != "modeling.py"
    }


def test_a_small_file_that_is_not_what_was_listed_is_refused(world: World) -> None:
    folder = "/acme/vllm/resolve/"
    world.server.routes[folder] = lambda _request: Reply(body=b'{"architectures": ["Evil"]}')

    with pytest.raises(ModelPullError, match=r"is not the config\.json that it announced$"):
        world.find("hf://acme/vllm")


def test_a_mirror_without_large_file_storage_is_believed_about_sizes_alone(world: World) -> None:
    big = 33 * 1024 * 1024
    entry = {"type": "file", "path": "big-Q8_0.gguf", "size": big, "oid": "0" * 40}
    _list(world, [entry])

    (file,) = world.find().files

    assert (file.blob.size, file.blob.digest) == (big, None)
    assert file.blob.identity == (
        f"hf:127.0.0.1:{world.server.port}/acme/tiny/resolve/"
        f"{world.hub.repositories['acme/tiny'].head}/big-Q8_0.gguf"
    )


def test_a_file_of_more_than_50_gb_is_fetched_as_any_other(world: World) -> None:
    lfs = {"oid": "ab" * 32, "size": 60 * 10**9, "pointerSize": 136}
    _list(world, [{"type": "file", "path": "big-BF16.gguf", "size": 136, "oid": "", "lfs": lfs}])

    (file,) = world.find().files

    assert (file.blob.size, file.blob.digest) == (60 * 10**9, Digest("ab" * 32))


def test_a_listing_of_many_pages_is_read_to_its_end(world: World) -> None:
    files = {f"part/tiny-Q8_0-{n:05}-of-00023.gguf": b"GGUF%d" % n for n in range(1, 24)}
    HuggingFace(world.server, page_size=5).add("acme/tiny", files)

    assert [file.name for file in world.find().files] == list(files)


def test_the_token_goes_to_the_endpoint_and_to_no_other_host(world: World) -> None:
    world.hub.add("acme/own", GGUF_FILES, Visibility.PRIVATE)

    model = world.find("hf://acme/own", env={"HF_TOKEN": MEMBER})
    contents = [world.fetch(file.blob) for file in model.files]

    assert contents == [Q4, MMPROJ]
    told = {
        (request.host, request.headers.get("authorization")) for request in world.server.requests
    }
    assert told == {("127.0.0.1", f"Bearer {MEMBER}"), ("localhost", None)}


def test_a_token_shows_nowhere(world: World) -> None:
    model = world.find(env={"HF_TOKEN": MEMBER})

    assert MEMBER not in repr(model)
    assert MEMBER not in repr(model.files[0].blob.locate())


def test_a_link_to_the_next_page_leads_to_no_other_host(world: World) -> None:
    """A mirror passes on the links of what it mirrors."""
    entry = {"type": "file", "path": "tiny-Q8_0.gguf", "size": 1, "oid": ""}

    def tree(request: Request) -> Reply:
        if "cursor" in request.query:
            return Reply.of_json([{**entry, "path": "tiny-Q4_K_M.gguf"}])
        following = f"{world.server.other_url}/api/models/acme/tiny/tree/main?cursor=2"
        return Reply.of_json([entry], link=f'<{following}>; rel="next"')

    world.server.routes[_tree(world)] = tree

    assert [file.name for file in world.find(env={"HF_TOKEN": MEMBER}).files] == [
        "tiny-Q4_K_M.gguf"
    ]
    assert {request.host for request in world.server.requests} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            {},
            f"{GATED}, then log in with `hf auth login`, or set HF_TOKEN",
        ),
        (
            {"HF_TOKEN": STRANGER},
            f"{GATED}, with the account whose token is in HF_TOKEN",
        ),
    ],
    ids=["anonymous", "another user"],
)
def test_a_gated_model_names_the_page_of_its_licence(
    world: World, env: Mapping[str, str], message: str
) -> None:
    world.hub.add("acme/gated", GGUF_FILES, Visibility.GATED)

    with pytest.raises(AccessDenied) as refused:
        world.find("hf://acme/gated", env=env)

    assert str(refused.value) == message


def test_a_gated_model_opens_to_those_who_accepted(world: World) -> None:
    world.hub.add("acme/gated", GGUF_FILES, Visibility.GATED)

    assert world.find("hf://acme/gated", env={"HF_TOKEN": MEMBER}).files


def test_a_mirror_that_cannot_say_who_is_let_in_is_asked_for_the_files(world: World) -> None:
    world.hub.add("acme/gated", GGUF_FILES, Visibility.GATED)
    world.server.routes["/api/models/acme/gated/auth-check"] = lambda _request: Reply(status=404)

    assert world.find("hf://acme/gated").files


@pytest.mark.parametrize(
    ("repository", "env", "error", "message"),
    [
        ("acme/none", {}, UnknownModel, r"does not exist at 127\S+, or is private: log in with"),
        ("acme/own", {}, UnknownModel, r"does not exist at 127\S+, or is private: log in with"),
        (
            "acme/own",
            {"HF_TOKEN": STRANGER},
            UnknownModel,
            r"or the token in HF_TOKEN has no access to",
        ),
        ("acme/tiny@nope", {}, UnknownModel, r"tiny has no branch, tag or commit of that name$"),
        (
            "acme/tiny",
            {"HUGGING_FACE_HUB_TOKEN": "hf_old"},
            AccessDenied,
            r"Invalid credentials .*; the token is from HUGGING_FACE_HUB_TOKEN$",
        ),
        ("acme/tiny:Q2_K", {}, UnknownModel, r"there are: Q8_0 \(15 B\), Q4_K_M \(9 B\)$"),
        ("acme/tiny/tiny-Q4.gguf", {}, UnknownModel, r"did you mean tiny-Q4_K_M\.gguf\?"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(
    world: World,
    repository: str,
    env: Mapping[str, str],
    error: type[Exception],
    message: str,
) -> None:
    world.hub.add("acme/own", GGUF_FILES, Visibility.PRIVATE)

    with pytest.raises(error, match=message):
        world.find(f"hf://{repository}", env=env)


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (
            Reply(status=429, headers={"ratelimit": '"api";r=0;t=55'}),
            ModelPullError,
            "has had too many requests, try again in 55 seconds; with a token in HF_TOKEN",
        ),
        (Reply(status=429, headers={"retry-after": "7"}), ModelPullError, "again in 7 seconds;"),
        (Reply(status=429, headers={"retry-after": "soon"}), ModelPullError, "try again later;"),
        (Reply(status=403), AccessDenied, "refuses hf://acme/tiny: status 403; set HF_TOKEN$"),
        (Reply(status=404), UnknownModel, "has no hf://acme/tiny: status 404$"),
        (Reply(status=503), ModelPullError, "failed for hf://acme/tiny: status 503$"),
        (
            Reply(status=500, headers={"x-error-message": "Oh\tno \x1b[31m" + "x" * 300}),
            ModelPullError,
            r"failed for hf://acme/tiny: Oh no \\x1b\[31mx+…$",
        ),
        (
            Reply(status=404, headers={"x-error-code": "EntryNotFound"}),
            UnknownModel,
            "has no hf://",
        ),
        (Reply(body=b"<html>Welcome"), ModelPullError, "is not JSON; is that the address of a hub"),
        (Reply(body=b"\xff"), ModelPullError, "is not JSON"),
        (Reply(body=b"[" * 100_000), ModelPullError, "is not JSON"),
        (Reply(body=b"[]"), ModelPullError, "names no commit$"),
        (Reply(body=b'{"sha": 7}'), ModelPullError, "names no commit$"),
        (Reply(body=b'{"sha": "../../../etc"}'), ModelPullError, "names no commit$"),
        (Reply(body=b" " * 9_000_000), ModelPullError, "127.0.0.1"),
        (Reply(body=b"{}", cut_after=1), ModelPullError, "127.0.0.1"),
        (Reply.redirect("/api/models/acme/tiny/revision/main"), ModelPullError, "redirects"),
    ],
)
def test_answers_that_say_no_or_nothing_become_one_line(
    world: World, reply: Reply, error: type[Exception], message: str
) -> None:
    world.server.routes["/api/models/acme/tiny/revision/main"] = lambda _request: reply

    with pytest.raises(error, match=message) as refused:
        world.find()

    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


def test_a_hub_that_stumbles_is_asked_again(world: World) -> None:
    api = "/api/models/"
    stumbling = times(1, refuse(Reply(status=503)))
    world.server.routes[api] = faulty(world.server.routes[api], stumbling)

    assert world.find().files
    assert len(world.slept) == 1


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ('{"files": []}', "is not a listing$"),
        ('[{"type": "file", "path": "a.gguf"}]', r"the size of a\.gguf is not valid$"),
        ('[{"type": "file", "path": "a.gguf", "size": -1}]', r"the size of a\.gguf is not valid$"),
        (
            '[{"type": "file", "path": "a.gguf", "size": 1e400}]',
            r"the size of a\.gguf is not valid$",
        ),
        ('[{"type": "file", "path": "a.gguf", "size": 1125899906842625}]', "is not valid$"),
        (f'[{{"type": "file", "path": "a.gguf", "size": {"9" * 5000}}}]', "is not JSON"),
        (
            '[{"type": "file", "path": "a.gguf", "lfs": {"oid": "../..", "size": 1}}]',
            "not a SHA-256 digest$",
        ),
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(world: World, listing: str, message: str) -> None:
    world.server.routes[_tree(world)] = lambda _request: Reply(body=listing.encode())

    with pytest.raises(ModelPullError, match=message):
        world.find()


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "file", "path": "../../../etc/tiny-Q4_K_M.gguf", "size": 1},
        {"type": "file", "path": "/etc/tiny-Q4_K_M.gguf", "size": 1},
        {"type": "file", "path": "a\nb-Q4_K_M.gguf", "size": 1},
        {"type": "file", "path": "\ud800-Q4_K_M.gguf", "size": 1},
        {"type": "file", "path": "x" * 300 + "-Q4_K_M.gguf", "size": 1},
        {"type": "file", "path": 7, "size": 1},
        {"type": "file", "size": 1},
        {"type": "directory", "path": "tiny-Q4_K_M.gguf"},
        {"type": ["file"]},
        "tiny-Q4_K_M.gguf",
        None,
    ],
)
def test_entries_that_are_no_file_of_a_model_are_passed_over(world: World, odd: object) -> None:
    _list(world, [odd, {"type": "file", "path": "tiny-Q8_0.gguf", "size": 1, "oid": 7, "lfs": 7}])

    assert [file.name for file in world.find().files] == ["tiny-Q8_0.gguf"]


@pytest.mark.parametrize(
    ("step", "most"), [(0, 4), (1, 102), (10_000, 14)], ids=["circle", "no end", "millions"]
)
def test_a_listing_without_end_ends(world: World, step: int, most: int) -> None:
    def tree(request: Request) -> Reply:
        cursor = int(request.query.get("cursor", "0"))
        page = [
            {"type": "file", "path": f"{cursor + n}.txt", "size": 1} for n in range(max(1, step))
        ]
        return Reply.of_json(page, link=f'<{request.path}?cursor={cursor + step}>; rel="next"')

    world.server.routes[_tree(world)] = tree

    with pytest.raises(ModelPullError, match=r"lists hf://acme/tiny without end$"):
        world.find()
    assert len(world.server.requests) <= most


@pytest.mark.parametrize("link", ["http://[?cursor=2", "//[x]y?cursor=2#top", "?cursor=2"])
def test_of_a_link_to_the_next_page_the_query_alone_counts(world: World, link: str) -> None:
    def tree(request: Request) -> Reply:
        name = "tiny-Q4_K_M.gguf" if request.query.get("cursor") == "2" else "README.md"
        page = [{"type": "file", "path": name, "size": 1}]
        return Reply.of_json(page, link=f"<{link}>; rel=next" if name == "README.md" else "")

    world.server.routes[_tree(world)] = tree

    assert [file.name for file in world.find().files] == ["tiny-Q4_K_M.gguf"]


def test_a_listing_longer_than_any_is_not_read(world: World) -> None:
    entry = {"type": "file", "path": "x" * 200 + ".gguf", "size": 1}
    _list(world, [entry] * 50_000)

    with pytest.raises(ModelPullError, match=r"^127\.0\.0\.1:[0-9]+ sends too much"):
        world.find()


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_no_request_is_sent_while_a_variable_forbids_it(world: World, variable: str) -> None:
    with pytest.raises(ModelPullError) as refused:
        world.find(env={variable: "yes", "HF_TOKEN": "not read, either"})

    assert str(refused.value) == f"hf://acme/tiny is not on this machine, and {variable} is set"
    assert world.server.requests == []


def test_a_hub_that_cannot_be_reached_is_named(world: World) -> None:
    with pytest.raises(
        ModelPullError,
        match=r"^127\.0\.0\.1:9 .*Connection refused; check the address, .*$",
    ):
        world.find(env={"HF_ENDPOINT": "http://127.0.0.1:9/"})


def test_an_endpoint_with_a_password_is_refused_without_showing_it(world: World) -> None:
    with pytest.raises(ModelPullError) as refused:
        world.find(env={"HF_ENDPOINT": "https://me:s3cret@mirror.example"})

    assert str(refused.value).startswith("HF_ENDPOINT contains a user or a password")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("endpoint", ["{}/", "  {}  ", "{}///"])
def test_an_endpoint_is_read_with_patience(world: World, endpoint: str) -> None:
    model = world.find(env={"HF_ENDPOINT": endpoint.format(world.server.url)})

    assert model.files[0].blob.locate().url.startswith(f"{world.server.url}/acme/tiny/resolve/")


def test_an_endpoint_without_a_protocol_is_asked_over_tls(world: World) -> None:
    with pytest.raises(ModelPullError, match=r"TLS|SSL"):
        world.find(env={"HF_ENDPOINT": f"127.0.0.1:{world.server.port}"})


def test_a_reference_that_was_not_parsed_is_refused(world: World) -> None:
    transport = HuggingFaceTransport(client=world.client, env={}, home=world.home)

    with pytest.raises(UnknownModel, match=r"^hf://\.\./x does not name a model"):
        transport.find(ModelRef(Scheme.HUGGINGFACE, "../x"), ModelFormat.GGUF)


def _tree(world: World) -> str:
    return f"/api/models/acme/tiny/tree/{world.hub.repositories['acme/tiny'].head}"


def _list(world: World, entries: object) -> None:
    world.server.routes[_tree(world)] = lambda _request: Reply.of_json(entries)


def test_a_repository_that_is_elsewhere_is_named(world: World) -> None:
    world.hub.add("lmstudio/tiny-GGUF", GGUF_FILES)
    world.hub.add("secret/tiny", GGUF_FILES, Visibility.PRIVATE)

    with pytest.raises(UnknownModel, match=r"did you mean hf://acme/tiny or hf://lm.*\?$") as found:
        world.find("hf://other/tiny")

    assert found.value.alternatives == ("hf://acme/tiny", "hf://lmstudio/tiny-GGUF")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=503),
        Reply(body=b"<html>"),
        Reply.of_json({"error": "no"}),
        Reply.of_json([1, {"id": "../../etc/passwd"}, {"id": "\x1b[2J/x"}, {"id": "other/tiny"}]),
        Reply(body=b"[" * 100_000),
    ],
)
def test_a_search_that_finds_nothing_changes_no_error(world: World, reply: Reply) -> None:
    world.server.routes["/api/models"] = lambda _: reply

    with pytest.raises(UnknownModel, match=r"set HF_TOKEN$") as found:
        world.find("hf://other/tiny")

    assert found.value.alternatives == ()
    assert len(world.server.asked("/api/models")) == 1
