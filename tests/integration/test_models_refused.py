"""What `ramalama pull` says in a line where a model cannot be had, and with which exit code."""

from __future__ import annotations

import hashlib
import re
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import pytest

from tests.doubles.faults import corrupt, faulty, ignore_ranges, without_length
from tests.doubles.hub import HuggingFace
from tests.doubles.hub_content import MEMBER, STRANGER, HubFile, Visibility
from tests.doubles.oci_models import (
    FILEPATH,
    MODELPACK,
    MODELPACK_CONFIG,
    RAW_LABEL,
    Layer,
    Model,
    make_image,
    make_model,
    make_tar,
)
from tests.doubles.oci_registry import publish
from tests.doubles.server import FileServer, Reply, serve_bytes
from tests.integration import model_hosts
from tests.integration.model_hosts import Hosted
from tests.integration.person import Person, make_person
from tests.lab.certificates import make_certificate
from tests.lab.service import program
from tests.unit.ramalama.models.formats.made_gguf import gguf, string

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.doubles.server import Route

pytestmark = pytest.mark.engines

CONTENT = gguf({"general.name": string("made up")}) + hashlib.shake_128(b"").digest(3_000_000)
FILES = {"made-up-Q4_0.gguf": CONTENT}
NOT_VERIFIED = ("--tls-verify=false",)


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running_server:
        yield running_server


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return make_person(tmp_path)


def complaint(person: Person, hosted: Hosted, code: int) -> str:
    """Pull in vain, quietly, and return the one line that is said of it."""
    done = person.having(**hosted.env).run("pull", "-q", *hosted.options, hosted.reference)
    assert done.code == code, done
    assert person.run("list", "--noheading").out == ""
    return done.complaint


PUBLIC, GATED, PRIVATE = Visibility.PUBLIC, Visibility.GATED, Visibility.PRIVATE
OLD = "hf_" + "old".ljust(34, "0")
PAGE = r"its licence: do so on https://huggingface\.co/acme/smollm2, "


@pytest.mark.parametrize(
    ("visibility", "env", "said"),
    [
        (GATED, {}, PAGE + "then log in with `hf auth login`, or set HF_TOKEN$"),
        (GATED, {"HF_TOKEN": STRANGER}, PAGE + "with the account whose token is in HF_TOKEN$"),
        (PRIVATE, {}, "or is private: log in with `hf auth login`, or set HF_TOKEN$"),
        (PRIVATE, {"HF_TOKEN": STRANGER}, "the token in HF_TOKEN has no access to it$"),
        (PUBLIC, {"HF_TOKEN": OLD}, "Invalid credentials .* the token is from HF_TOKEN$"),
        (PUBLIC, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set$"),
    ],
)
def test_hugging_face_keeps_a_model_to_itself(
    person: Person, server: FileServer, visibility: Visibility, env: dict[str, str], said: str
) -> None:
    hosted = model_hosts.at_hugging_face(server, FILES, visibility)

    line = complaint(person.having(**env), hosted, 22)

    assert re.search(said, line), line
    assert env.get("HF_TOKEN", "hf_") not in line


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (":Q9_9", r"has no quantisation 'Q9_9'; there are: Q4_0 \(3\.00 MB\)$"),
        ("/made-up-Q8_0.gguf", r"has no file .*made-up-Q4_0\.gguf"),
    ],
)
def test_a_repository_has_something_else(
    person: Person, server: FileServer, rest: str, said: str
) -> None:
    hosted = model_hosts.at_hugging_face(server, FILES)
    other = Hosted(reference=hosted.reference + rest, env=hosted.env)

    assert re.search(said, line := complaint(person, other, 22)), line


NO_MODELS: list[tuple[Route, int, str]] = [
    (serve_bytes(b"<!doctype html>", content_type="text/html"), 22, "is a web page, not a mo"),
    (serve_bytes(b"PK\x03\x04" + bytes(100)), 22, r"smollm2\.gguf is a zip archive"),
    (serve_bytes(gguf({}, order=">") + bytes(100)), 1, "is a big-endian model; this machine"),
    (serve_bytes(b""), 22, "is empty"),
    (lambda _: Reply(status=404), 22, "^there is no http://127"),
    (lambda _: Reply(status=403), 22, "gives no public access"),
    (lambda _: Reply(status=429, headers={"retry-after": "3600"}), 22, "it answers 429"),
    (lambda asked: Reply.redirect(asked.target), 22, "more than 10 redirects"),
]


@pytest.mark.parametrize(
    ("route", "code", "said"),
    NO_MODELS,
    ids=["a page", "an archive", "other order", "nothing", "404", "403", "429", "a loop"],
)
def test_an_address_leads_to_no_model(
    person: Person, server: FileServer, route: Route, code: int, said: str
) -> None:
    server.routes["/files/smollm2.gguf"] = route
    hosted = Hosted(reference=f"{server.url}/files/smollm2.gguf")

    assert re.search(said, line := complaint(person, hosted, code)), line


def as_pack(name: str) -> Model:
    layer = Layer(
        type="application/vnd.cncf.model.weight.v1.raw",
        content=CONTENT,
        annotations={FILEPATH: name},
    )
    config = Layer(type=MODELPACK_CONFIG, content=b"{}")
    return make_model([layer], config=config, artifact_type=MODELPACK)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (
            as_pack("../../x.gguf"),
            NOT_VERIFIED,
            r"a file '../../x.gguf', which is not a valid file name",
        ),
        (
            as_pack("/etc/x.gguf"),
            NOT_VERIFIED,
            r"a file '/etc/x.gguf', which is not a valid file name",
        ),
        (
            make_image(make_tar({"models/../../x.gguf": CONTENT}), labels=RAW_LABEL),
            NOT_VERIFIED,
            r"'models/../../x.gguf' leads outside of it",
        ),
        (make_image(make_tar({"bin/sh": b"sh"})), NOT_VERIFIED, "is an image without a model"),
        (as_pack("x.gguf"), (), "does not use TLS; .* use --tls-verify=false"),
    ],
    ids=["a way out", "a place of its own", "a way out of a layer", "an image", "no TLS"],
)
def test_a_registry_has_what_is_not_taken(
    person: Person, server: FileServer, model: Model, options: tuple[str, ...], said: str
) -> None:
    publish(server, "acme/made-up", "1", model)
    reference = f"oci://{server.url.partition('://')[2]}/acme/made-up:1"

    line = complaint(person, Hosted(reference=reference, options=options), 22)

    assert re.search(said, line), line
    assert not list(person.home.parent.rglob("x.gguf"))


@contextmanager
def https_server(directory: Path) -> Generator[tuple[FileServer, str]]:
    """Serve with a certificate that nobody trusts; lend the file of its authority, too."""
    made = make_certificate(directory / "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with FileServer({"/x.gguf": serve_bytes(CONTENT)}, tls=context) as server:
        yield server, str(made.ca_file)


def test_a_certificate_is_believed_when_its_authority_is(person: Person, tmp_path: Path) -> None:
    with https_server(tmp_path) as (server, ca_file):
        hosted = Hosted(reference=f"{server.url}/x.gguf")
        line = complaint(person, hosted, 22)
        asked = len(server.requests)
        done = person.having(SSL_CERT_FILE=ca_file).run("pull", "-q", hosted.reference)

    assert "its certificate is not trusted" in line
    assert asked == 0
    assert done.code == 0


def test_a_server_that_is_not_there_is_said_to_be_none(person: Person) -> None:
    hosted = Hosted(reference="hf://acme/x", env={"HF_ENDPOINT": "http://127.0.0.1:9"})

    line = complaint(person, hosted, 22)

    assert line == (
        "hf://acme/x cannot be pulled: 127.0.0.1:9 cannot be used: Connection refused; "
        "check the address, the network and the proxy"
    )


def test_a_pull_that_waits_for_a_server_says_so_and_leaves_nothing(person: Person) -> None:
    person = person.having(HF_ENDPOINT="http://127.0.0.1:9")

    done = person.run("pull", "hf://acme/x")

    *waits, _ = done.err.splitlines()
    retry = r"hf://acme/x: 127\.0\.0\.1:9 cannot be used: Connection refused; trying again in \d.*"
    assert len(waits) == 3
    assert all(re.fullmatch(retry, line) for line in waits), waits
    assert person.run("list", "--all", "--noheading").out == ""


def test_a_pull_of_what_this_hosts_runtime_does_not_load_says_so(
    person: Person, server: FileServer
) -> None:
    weights = (2).to_bytes(8, "little") + b"{}"
    files = {"config.json": b"{}", "model.safetensors": weights}
    hosted = model_hosts.at_hugging_face(server, files, PUBLIC)

    done = person.having(**hosted.env).run("pull", hosted.reference)

    assert (done.code, done.out) == (0, f"{hosted.reference}\n")
    assert re.search("Notice: .* is a safetensors model, .* use --runtime vllm", done.err), done


def test_a_run_refuses_what_its_runtime_does_not_load_before_it_comes(
    person: Person, server: FileServer
) -> None:
    files = {"config.json": b"{}", "model.safetensors": b"w" * 100_000}
    hosted = model_hosts.at_hugging_face(server, files, PUBLIC)

    done = person.having(**hosted.env).run("run", hosted.reference, "Hello!")

    assert done.code == 22
    assert "--runtime vllm" in done.complaint
    assert not [request for request in server.requests if "safetensors" in request.path]


def test_an_https_address_of_a_server_without_tls_is_explained(
    person: Person, server: FileServer
) -> None:
    address = server.url.replace("http://", "https://")

    line = complaint(person, Hosted(reference=f"{address}/x.gguf"), 22)

    assert "it does not use TLS" in line
    assert line.endswith("to use it without TLS, write http://")


def test_a_pull_of_which_no_byte_came_leaves_no_entry(person: Person, server: FileServer) -> None:
    hosted = model_hosts.at_hugging_face(server, FILES, PUBLIC)
    del server.routes["/"]  # where the files are

    line = complaint(person, hosted, 22)

    assert re.search("cannot be pulled: .* does not have made-up-Q4_0.gguf", line), line
    assert person.run("list", "--all", "--noheading").out == ""


def test_bytes_that_are_not_what_was_announced_are_no_model(
    person: Person, server: FileServer
) -> None:
    announced = hashlib.sha256(CONTENT).hexdigest()
    server.routes["/x.gguf"] = faulty(serve_bytes(CONTENT), corrupt(1_000_000))
    hosted = Hosted(reference=f"{server.url}/x.gguf#sha256={announced}")

    line = complaint(person, hosted, 22)

    assert line.endswith(f" instead of sha256:{announced}")
    assert not list(person.store.glob("cas/sha256/*/*"))


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system of its own, of two megabytes."""

    path: Path

    @classmethod
    @contextmanager
    def mounted(cls, path: Path) -> Generator[Self]:
        path.mkdir()
        disk = cls(path)
        disk.mount("-t", "tmpfs", "-o", "size=2m", "tmpfs")
        try:
            yield disk
        finally:
            subprocess.run([program("umount"), str(path)], check=True)

    def mount(self, *options: str) -> None:
        subprocess.run([program("mount"), *options, str(self.path)], check=True)


@pytest.fixture
def disk(lab: Path) -> Generator[Disk]:
    with Disk.mounted(lab / f"disk-{uuid4().hex}") as mounted:
        yield mounted


def test_a_disk_that_is_too_small_is_noticed_before_anything_comes(
    person: Person, server: FileServer, disk: Disk
) -> None:
    hosted = model_hosts.at_hugging_face(server, FILES)

    line = complaint(person.having(RAMALAMA_STORE=str(disk.path)), hosted, 5)

    assert re.fullmatch(
        rf"3\.00 MB do not fit into {disk.path}.*: [0-9.]+ [kM]B are missing; "
        r"remove a model \(`ramalama rm`\) or leftovers \(`ramalama gc`\), or choose another "
        r"disk \(`--store`\)",
        line,
    )
    assert not [request for request in server.requests if "/resolve/" in request.path]


def test_weights_that_no_memory_holds_are_refused_before_they_come_and_others_named(
    person: Person, server: FileServer
) -> None:
    repository = HuggingFace(server).add("acme/big", {"big-Q4_0.gguf": b"4", "big-Q8_0.gguf": b"8"})
    small, large = repository.files.values()
    server.routes[f"/api/models/acme/big/tree/{repository.head}"] = lambda _: Reply.of_json(
        [listed(small, 300_000_000), listed(large, 10**15)]
    )

    done = person.having(HF_ENDPOINT=server.url).run("run", "hf://acme/big:Q8_0", "Which?")

    assert done.code == 22
    assert re.fullmatch(
        r"hf://acme/big:Q8_0 needs 1000 TB for its weights alone, but .* of memory are free.*; "
        r"what fits: hf://acme/big:Q4_0 \(300 MB\) \(`run --force` tries it anyway\)",
        line := done.complaint,
    ), line
    assert not [request for request in server.requests if "/resolve/" in request.path]


def listed(file: HubFile, size: int) -> dict[str, object]:
    large = {"oid": file.sha256, "size": size, "pointerSize": 134}
    return {"type": "file", "oid": file.oid, "size": size, "path": file.path, "lfs": large}


def test_a_disk_that_turns_out_too_small_is_an_error_of_one_line(
    person: Person, server: FileServer, disk: Disk
) -> None:
    server.routes["/x.gguf"] = faulty(serve_bytes(CONTENT), ignore_ranges, without_length)
    hosted = Hosted(reference=f"{server.url}/x.gguf")

    line = complaint(person.having(RAMALAMA_STORE=str(disk.path)), hosted, 5)

    assert line.startswith(f"there is no space left in {disk.path}")


def test_a_disk_that_cannot_be_written_to_is_an_error_before_anybody_is_asked(
    person: Person, server: FileServer, disk: Disk
) -> None:
    disk.mount("-o", "remount,ro")
    hosted = Hosted(reference=f"{server.url}/x.gguf")

    line = complaint(person.having(RAMALAMA_STORE=str(disk.path)), hosted, 5)

    assert line.startswith(f"the store {disk.path} cannot be used: Read-only file system")
    assert server.requests == []


def test_without_an_engine_nothing_is_downloaded_for_a_run(
    person: Person, server: FileServer
) -> None:
    hosted = model_hosts.at_hugging_face(server, FILES)
    without = person.having(**hosted.env, CONTAINER_HOST=f"unix://{person.home}/nothing.sock")

    done = without.run("run", hosted.reference, "Hello!")

    assert done.code == 125
    assert not [request for request in server.requests if "/resolve/" in request.path]


@pytest.fixture
def exfat(lab: Path) -> Generator[Path]:
    """A file system that has neither hard nor symbolic links."""
    image, path = lab / f"{uuid4().hex}.exfat", lab / f"exfat-{uuid4().hex}"
    path.mkdir()
    with image.open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    subprocess.run([program("mkfs.exfat"), str(image)], check=True, capture_output=True)
    find_and_set = [program("losetup"), "--find", "--show", str(image)]
    device = subprocess.run(find_and_set, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([program("mount.exfat-fuse"), device, str(path)], check=True)
    yield path
    subprocess.run([program("umount"), str(path)], check=True)
    subprocess.run([program("losetup"), "--detach", device], check=True)


def test_a_disk_without_links_is_refused_before_anything_comes(
    person: Person, server: FileServer, exfat: Path
) -> None:
    hosted = model_hosts.at_hugging_face(server, FILES)

    line = complaint(person.having(RAMALAMA_STORE=str(exfat)), hosted, 5)

    assert line == (
        f"the store {exfat} is on a file system without links, such as exFAT; "
        "choose another directory with --store"
    )
    assert not [request for request in server.requests if "/resolve/" in request.path]
    assert not [file for file in exfat.rglob("*") if file.is_file() and file.stat().st_size]


@pytest.mark.parametrize("verb", [["pull"], ["inspect"], ["run", "--dryrun"]])
@pytest.mark.parametrize("path", ["./none.gguf", "/none.gguf", "~/none.gguf", "../none/none.gguf"])
def test_a_path_is_looked_for_on_this_machine_and_nowhere_else(
    person: Person, server: FileServer, verb: list[str], path: str
) -> None:
    places = ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    somebody = person.having(
        **dict.fromkeys(places, server.url), RAMALAMA_TRANSPORT="huggingface", NO_PROXY=""
    )

    done = somebody.run(*verb, path)

    assert (done.code, server.requests) == (2, [])
    assert re.search("none.gguf", done.complaint)


@pytest.mark.parametrize("host", [model_hosts.at_hugging_face, model_hosts.at_modelscope])
def test_a_token_is_for_the_hub_and_not_for_where_its_files_are(
    person: Person,
    server: FileServer,
    host: Callable[[FileServer, dict[str, bytes], Visibility], Hosted],
) -> None:
    hosted = host(server, FILES, Visibility.PRIVATE)
    member = person.having(**hosted.env, HF_TOKEN=MEMBER, MODELSCOPE_API_TOKEN=MEMBER)

    done = member.run("pull", "-q", hosted.reference)

    told = {
        request.host
        for request in server.requests
        if {"authorization", "cookie"} & set(request.headers)
    }
    assert done.code == 0, done.err
    assert told == {"127.0.0.1"}
    assert {request.host for request in server.requests} == {"127.0.0.1", "localhost"}
    assert not [file for file in member.home.rglob("*") if holds(file, MEMBER.encode())]


def holds(file: Path, secret: bytes) -> bool:
    return file.is_file() and secret in file.read_bytes()
