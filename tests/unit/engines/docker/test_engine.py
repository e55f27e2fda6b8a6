"""What the adapter makes of daemons that no test can start: newer, stricter, or dying ones."""

from __future__ import annotations

import base64
import json
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ramalama_engines.docker.engine import DockerEngine
from ramalama_engines.docker.session import DockerSession
from ramalama_engines.docker.spec import create_body
from ramalama_engines.errors import (
    ContainerConflict,
    ContainerStartError,
    DeviceNotFound,
    EngineError,
    EngineUnavailable,
    ImagePullError,
    ProgramNotFound,
    UnknownRuntime,
    UnsupportedOption,
)
from ramalama_engines.rest.unix_route import unix_route
from ramalama_engines.spec import (
    BindMount,
    CdiDevice,
    ContainerFile,
    ContainerSpec,
    HostDevice,
    PullProgress,
    RegistryAuth,
)
from tests.unit.engines.dockerd import Dockerd, Reply, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama_engines.engine import Engine

SPEC = ContainerSpec(image="img", command=("sleep", "1"))
RELABELLED = replace(SPEC, mounts=(BindMount(source="/m", target="/m", relabel=True),))
CREATED = Reply(status=201, body={"Id": "c1", "Warnings": []})
DONE = Reply(status=204)
TOO_OLD = b"client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade"
INFO: dict[str, Any] = {
    "ServerVersion": "28.5.2",
    "DefaultRuntime": "runc",
    "Runtimes": {"runc": {}, "nvidia": {}},
    "SecurityOptions": [],
    "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8"]},
}
SELINUX = {**INFO, "SecurityOptions": ["name=selinux"]}


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Dockerd]:
    with serving(tmp_path) as dockerd:
        dockerd.answer("GET /info", Reply(body=INFO))
        dockerd.answer("POST /containers/create", CREATED)
        dockerd.answer("DELETE /containers/c1", DONE)
        dockerd.answer("GET /containers/c1/json", Reply(body=made(SPEC)))
        yield dockerd


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system whose kernel has SELinux."""
    root = tmp_path / "root"
    (root / "sys/fs/selinux").mkdir(parents=True)
    return root


@pytest.fixture
def engine(dockerd: Dockerd, root: Path) -> Iterator[DockerEngine]:
    with DockerEngine(dockerd.url, root=root) as engine:
        yield engine


def made(spec: ContainerSpec, *, relabel: bool = False, **changes: object) -> dict[str, Any]:
    """Inspect a container that is what *spec* says but for *changes* in its HostConfig."""
    body = create_body(spec, relabel=relabel)
    return {
        "Id": "c1",
        "Name": "/c1",
        "Created": "2026-11-22T16:49:10.297870789Z",
        "State": {"Status": "running", "ExitCode": 0},
        "Config": {name: value for name, value in body.items() if name != "HostConfig"},
        "HostConfig": body["HostConfig"] | changes,
        "NetworkSettings": {},
    }


def test_it_is_an_engine_to_the_type_checkers(engine: DockerEngine) -> None:
    def take(engine: Engine) -> str:
        return engine.url

    assert take(engine) == engine.url


# Who answers


def test_making_one_asks_nothing(dockerd: Dockerd, engine: DockerEngine) -> None:
    assert (engine.kind, engine.url) == ("docker", dockerd.url)
    assert dockerd.routes() == []


def test_who_runs_the_daemon_is_known_without_a_request(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    assert engine.rootless is (Path(dockerd.url.removeprefix("unix://")).stat().st_uid != 0)
    assert dockerd.routes() == []


def test_info_is_asked_once(dockerd: Dockerd, engine: DockerEngine) -> None:
    assert engine.info == engine.info
    assert engine.info.api_version == "1.51"
    assert dockerd.routes() == ["GET /info"]


def test_a_daemon_that_is_too_new_for_our_api_version_is_asked_in_its_own(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    too_old = Reply(status=400, body=TOO_OLD)
    dockerd.answer("GET /containers/json", too_old, Reply(body=[]))

    assert list(engine.list({})) == []
    engine.list({})

    versions = [asked.version for asked in dockerd.about("GET /containers/json")]
    assert versions == ["1.41", "1.44", "1.44"]


def test_the_versions_are_agreed_on_although_an_error_has_no_words(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    stat = base64.b64encode(b'{"name": "x", "size": 5, "mode": 420}').decode()
    found = Reply(body=b"", headers={"X-Docker-Container-Path-Stat": stat})
    dockerd.answer("HEAD /containers/c1/archive", Reply(status=400), found)
    too_old = Reply(status=400, body=TOO_OLD)
    dockerd.answer("GET /containers/c1/json", too_old, Reply(body=made(SPEC)))

    file = engine.find_in("c1", "/x y")

    assert file == ContainerFile(size=5, mode=0o644, is_directory=False)
    first, second = dockerd.about("HEAD /containers/c1/archive")
    assert (first.version, second.version) == ("1.41", "1.44")
    assert second.query == {"path": "/x y"}


def test_a_request_about_a_file_that_is_refused_is_an_error(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    for status in (400, 403, 500):
        dockerd.answer("HEAD /containers/c1/archive", Reply(status=status))
        with pytest.raises(EngineError, match=f"/x: status {status}"):
            engine.find_in("c1", "/x")


@pytest.mark.parametrize("body", [b"OK", b"1" * 100_000, b"[" * 200_000, b"\xff"])
def test_an_answer_that_is_no_json_is_an_error_of_ours(
    dockerd: Dockerd, engine: DockerEngine, body: bytes
) -> None:
    for route in ("GET /containers/json", "GET /info", "POST /containers/create"):
        dockerd.answer(route, Reply(status=201 if "create" in route else 200, body=body))

    for ask in (lambda: engine.list({}), lambda: engine.info, lambda: engine.create(SPEC)):
        with pytest.raises(EngineError, match=r"^docker: its answer is not JSON$"):
            ask()


def test_a_refusal_that_is_too_much_for_the_parser_is_quoted(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("GET /containers/json", Reply(status=500, body=b"[" * 200_000))

    with pytest.raises(EngineError, match=r"^docker: \[+…$"):
        engine.list({})


def test_a_daemon_that_refuses_every_version_is_not_asked_for_ever(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("GET /containers/json", Reply(status=400, body=TOO_OLD))

    with pytest.raises(EngineError, match="too old"):
        engine.list({})


def test_where_no_socket_is_the_message_says_so(tmp_path: Path) -> None:
    with (
        DockerEngine(f"unix://{tmp_path}/no.sock") as engine,
        pytest.raises(EngineUnavailable, match=r"no\.sock: there is no such socket"),
    ):
        engine.list({})


def test_without_a_listener_the_message_says_so(tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    with (
        DockerEngine(f"unix://{path}") as engine,
        pytest.raises(EngineUnavailable, match="no process listens"),
    ):
        engine.rootless  # noqa: B018 (it asks the kernel)


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:2375", "ssh://host", "/run/docker.sock", ""])
def test_other_addresses_than_unix_sockets_are_refused(url: str) -> None:
    with pytest.raises(EngineUnavailable, match="unix://"):
        DockerEngine(url)


def test_a_daemon_that_does_not_answer_in_time_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as silent, DockerEngine(f"unix://{path}", timeout=0.05) as e:
        silent.bind(str(path))
        silent.listen()

        with pytest.raises(EngineUnavailable):
            e.inspect("c1")


def test_of_many_connections_a_few_are_kept_and_no_word_is_lost_on_the_others(
    dockerd: Dockerd, caplog: pytest.LogCaptureFixture
) -> None:
    def ask_at_once(count: int) -> None:
        for answer in [session.open("GET", "/info") for _ in range(count)]:
            assert answer.json() == INFO  # which returns its connection

    with closing(DockerSession(unix_route(dockerd.url, engine="docker"), timeout=60)) as session:
        ask_at_once(10)
        for _ in range(6):
            assert dockerd.hung_up.acquire(timeout=60)
        ask_at_once(4)

        assert len(dockerd.connections) == 10
    for _ in range(4):
        assert dockerd.hung_up.acquire(timeout=60)
    assert caplog.records == []


@pytest.mark.parametrize("text", ["[1]", '{"auths": {"x": 1}}', '{"auths": {"x": {"auth": "!"}}}'])
def test_a_docker_client_configuration_that_docker_py_cannot_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    with pytest.raises(EngineUnavailable, match=r"config\.json"):
        DockerEngine("unix:///run/docker.sock")


def test_neither_proxies_nor_netrc_of_the_environment_have_a_say(
    dockerd: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    dockerd.answer("GET /containers/json", Reply(body=[]))

    with DockerEngine(dockerd.url) as engine:
        engine.list({})

    assert "Authorization" not in dockerd.about("GET /containers/json")[0].headers


# Create


def test_an_option_that_the_daemon_drops_is_an_error_and_the_container_goes(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    spec = replace(SPEC, pids_limit=100)
    warnings = ["Your kernel does not support PIDs limit"]
    dockerd.answer(
        "POST /containers/create", Reply(status=201, body={"Id": "c1", "Warnings": warnings})
    )
    dockerd.answer("GET /containers/c1/json", Reply(body=made(spec, PidsLimit=0)))

    with pytest.raises(UnsupportedOption, match=r"pids_limit.*Your kernel"):
        engine.create(spec)

    assert dockerd.routes()[-1] == "DELETE /containers/c1"
    assert dockerd.about("DELETE /containers/c1")[0].query == {"v": "1", "force": "1"}


def test_a_container_that_cannot_be_inspected_goes_too(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("GET /containers/c1/json", Reply(status=500, body={"message": "disk"}))

    with pytest.raises(EngineError, match="disk"):
        engine.create(SPEC)

    assert dockerd.routes()[-1] == "DELETE /containers/c1"


def test_a_plain_container_costs_two_requests(dockerd: Dockerd, engine: DockerEngine) -> None:
    assert engine.create(replace(SPEC, name="mine")) == "c1"

    assert dockerd.routes() == ["POST /containers/create", "GET /containers/c1/json"]
    asked = dockerd.about("POST /containers/create")[0]
    assert asked.query == {"name": "mine"}
    assert asked.body == create_body(SPEC, relabel=False)


def test_with_selinux_the_daemon_checks_mounts_before_it_relabels_them(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("GET /info", Reply(body=SELINUX))
    dockerd.answer("GET /containers/c1/json", Reply(body=made(RELABELLED, relabel=True)))

    engine.create(replace(RELABELLED, name="mine"))

    trial, real = dockerd.about("POST /containers/create")
    assert (trial.query, trial.body["HostConfig"]["Binds"]) == ({}, [])
    assert (real.query, real.body["HostConfig"]["Binds"]) == ({"name": "mine"}, ["/m:/m:ro,z"])
    assert len(dockerd.about("DELETE /containers/c1")) == 1


def test_a_daemon_on_a_kernel_without_selinux_is_not_asked_about_it(
    dockerd: Dockerd, engine: DockerEngine, root: Path
) -> None:
    (root / "sys/fs/selinux").rmdir()
    dockerd.answer("GET /containers/c1/json", Reply(body=made(RELABELLED)))

    engine.create(RELABELLED)

    assert dockerd.routes() == ["POST /containers/create", "GET /containers/c1/json"]


def test_a_daemon_that_runs_on_another_kernel_than_ours_is_asked_about_selinux(
    dockerd: Dockerd, tmp_path: Path
) -> None:
    dockerd.answer("GET /containers/c1/json", Reply(body=made(RELABELLED)))

    with DockerEngine(dockerd.url, root=tmp_path / "macos") as engine:
        engine.create(RELABELLED)

    assert dockerd.routes()[0] == "GET /info"


def test_with_selinux_a_path_with_a_colon_is_refused(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("GET /info", Reply(body=SELINUX))
    mount = BindMount(source="/a:b", target="/m", relabel=True)

    with pytest.raises(UnsupportedOption, match="/a:b"):
        engine.create(replace(SPEC, mounts=(mount,)))

    assert dockerd.routes() == ["GET /info"]


def test_an_oci_runtime_that_the_daemon_has_is_taken(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    spec = replace(SPEC, oci_runtime="nvidia")
    dockerd.answer("GET /containers/c1/json", Reply(body=made(spec)))

    assert engine.create(spec) == "c1"


def test_an_unknown_oci_runtime_is_refused_and_the_known_ones_are_named(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    with pytest.raises(UnknownRuntime, match="'crun'; it has nvidia, runc"):
        engine.create(replace(SPEC, oci_runtime="crun"))

    assert dockerd.routes() == ["GET /info"]


def test_a_device_is_not_renamed_where_users_are_mapped(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("GET /info", Reply(body={**INFO, "SecurityOptions": ["name=userns"]}))
    device = HostDevice(source="/dev/dri/renderD128", target="/dev/dri/card0")

    with pytest.raises(UnsupportedOption, match=r"another name, /dev/dri/card0, .*; use --device"):
        engine.create(ContainerSpec(image="img", devices=(device,)))

    assert "POST /containers/create" not in dockerd.routes()


def test_an_unknown_network_is_refused_and_the_known_ones_are_named(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("GET /networks", Reply(body=[{"Name": "none"}, {"Name": "bridge"}]))

    with pytest.raises(UnsupportedOption, match="'mine'; it has bridge, none"):
        engine.create(replace(SPEC, network="mine"))

    assert dockerd.routes() == ["GET /networks"]


def test_cdi_names_are_refused_where_the_daemon_does_not_resolve_them(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    spec = replace(SPEC, devices=(CdiDevice(name="nvidia.com/gpu=all"),))

    with pytest.raises(UnsupportedOption, match=r"CDI.*daemon\.json"):
        engine.create(spec)

    assert dockerd.routes() == ["GET /info"]


def test_cdi_names_are_taken_where_the_daemon_resolves_them(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    spec = replace(SPEC, devices=(CdiDevice(name="nvidia.com/gpu=all"),))
    dockerd.answer("GET /info", Reply(body={**INFO, "CDISpecDirs": ["/etc/cdi"]}))
    dockerd.answer("GET /containers/c1/json", Reply(body=made(spec)))

    assert engine.create(spec) == "c1"


# Start


@pytest.mark.parametrize(
    ("refusal", "error", "words"),
    [
        (
            (500, "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=7"),
            DeviceNotFound,
            "describes nvidia.com/gpu=7",
        ),
        (
            (500, "Error: listen tcp4 127.0.0.1:80: bind: address already in use"),
            ContainerConflict,
            "127.0.0.1:80 is used by another program",
        ),
        (
            (500, "Bind for 127.0.0.1:80 failed: port is already allocated"),
            ContainerConflict,
            "127.0.0.1:80 is used by another container",
        ),
        ((400, 'exec: "/x": permission denied'), ProgramNotFound, "/x in the image cannot"),
        ((500, 'adding custom device "/dev/x": no such file'), DeviceNotFound, "the device /dev/x"),
        ((500, 'failed to stat CDI host device "/etc/x": not'), DeviceNotFound, "names /etc/x"),
        ((404, "network mine not found"), ContainerStartError, "network mine not found"),
        ((404, "No such container: other"), ContainerStartError, "No such container: other"),
        ((500, "something {new}"), ContainerStartError, "something {new}"),
    ],
)
def test_a_failing_start_says_why_and_of_which_image(
    dockerd: Dockerd,
    engine: DockerEngine,
    refusal: tuple[int, str],
    error: type[EngineError],
    words: str,
) -> None:
    status, text = refusal
    dockerd.answer("POST /containers/c1/start", Reply(status=status, body={"message": text}))

    with pytest.raises(error) as caught:
        engine.start("c1")

    assert words in str(caught.value)
    assert "container of img" in str(caught.value)
    assert caught.value.engine == "docker"


def test_a_start_that_was_done_before_is_no_error(dockerd: Dockerd, engine: DockerEngine) -> None:
    dockerd.answer("POST /containers/c1/start", Reply(status=304))

    engine.start("c1")

    assert dockerd.routes() == ["POST /containers/c1/start"]


# Daemons that die


def test_a_log_that_ends_because_the_daemon_died_does_not_look_complete(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    frame = b"\x01\x00\x00\x00\x00\x00\x00\x04one\n"
    dockerd.answer("GET /containers/c1/logs", Reply(body=frame, cut=True))
    lines = engine.logs("c1", follow=True)
    assert next(lines) == "one"

    with pytest.raises(EngineUnavailable):
        next(lines)


def test_after_the_end_of_a_log_the_daemon_is_asked_whether_it_lives(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("GET /containers/c1/logs", Reply(body=b""))

    assert list(engine.logs("c1", follow=True)) == []

    assert dockerd.routes() == ["GET /containers/c1/logs", "GET /containers/c1/json"]


@pytest.mark.parametrize("reply", [Reply(body=b""), Reply(body=b'{"Sta', cut=True)])
def test_a_wait_that_the_daemon_does_not_end_is_no_exit_code(
    dockerd: Dockerd, engine: DockerEngine, reply: Reply
) -> None:
    dockerd.answer("POST /containers/c1/wait", reply)

    with pytest.raises(EngineUnavailable):
        engine.wait("c1")


# Pull


def test_a_pull_asks_for_one_tag_and_reports_its_steps(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    step = {"status": "Downloading", "id": "ab", "progressDetail": {"current": 1, "total": 2}}
    dockerd.answer("POST /images/create", Reply(lines=(step, {"status": "Done"})))
    dockerd.answer("GET /images/quay.io/x/json", Reply(body={"Id": "sha256:1"}))
    steps: list[PullProgress] = []

    assert engine.pull("quay.io/x", on_progress=steps.append) == "sha256:1"

    asked = dockerd.about("POST /images/create")[0]
    assert asked.query == {"fromImage": "quay.io/x", "tag": "latest"}
    assert "X-Registry-Auth" not in asked.headers
    assert steps == [
        PullProgress(layer="ab", status="Downloading", current=1, total=2),
        PullProgress(layer="", status="Done"),
    ]


@pytest.mark.parametrize(
    ("image", "query"),
    [
        ("x", {"fromImage": "docker.io/library/x", "tag": "latest"}),
        ("localhost:5000/a/b:1", {"fromImage": "localhost:5000/a/b", "tag": "1"}),
        (
            "quay.io/x:1@sha256:" + "a" * 64,
            {"fromImage": "quay.io/x", "tag": "sha256:" + "a" * 64},
        ),
    ],
)
def test_a_reference_is_split_as_docker_wants_it(
    dockerd: Dockerd, engine: DockerEngine, image: str, query: dict[str, str]
) -> None:
    dockerd.answer("POST /images/create", Reply(lines=({"status": "Done"},)))
    dockerd.answer(f"GET /images/{image}/json", Reply(body={"Id": "sha256:1"}))

    engine.pull(image)

    assert dockerd.about("POST /images/create")[0].query == query


def test_credentials_travel_in_a_header(dockerd: Dockerd, engine: DockerEngine) -> None:
    dockerd.answer("POST /images/create", Reply(status=500, body={"message": "unauthorized"}))
    auth = RegistryAuth(username="mé", password="wonder:land")  # noqa: S106 (it guards nothing)

    with pytest.raises(ImagePullError) as caught:
        engine.pull("quay.io/x", auth=auth)

    header = dockerd.about("POST /images/create")[0].headers["X-Registry-Auth"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {
        "username": "mé",
        "password": "wonder:land",
        "serveraddress": "quay.io",
    }
    assert "wonder" not in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500, body={"message": "manifest unknown"}),
        Reply(lines=({"status": "Pulling"}, {"errorDetail": {}, "error": "manifest unknown"})),
    ],
    ids=["at once", "in the middle"],
)
def test_a_refusal_of_the_registry_is_an_error_whenever_it_comes(
    dockerd: Dockerd, engine: DockerEngine, reply: Reply
) -> None:
    dockerd.answer("POST /images/create", reply)

    with pytest.raises(ImagePullError, match=r"quay\.io/x.*manifest unknown"):
        engine.pull("quay.io/x")


def test_a_pull_that_ends_without_an_image_is_an_error(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("POST /images/create", Reply(lines=({"status": "Pulling"},)))

    with pytest.raises(ImagePullError, match="without an image"):
        engine.pull("quay.io/x")


def test_what_a_hook_raises_ends_the_pull_and_is_not_taken_for_the_daemons_failure(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("POST /images/create", Reply(lines=({"status": "Pulling"},) * 3))

    def break_pipe(_: PullProgress) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        engine.pull("quay.io/x", on_progress=break_pipe)

    assert dockerd.routes() == ["POST /images/create"]


def test_certificates_that_the_daemon_would_verify_cannot_be_skipped(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    with pytest.raises(UnsupportedOption, match=r'"insecure-registries": \["quay\.io"\]'):
        engine.pull("quay.io/x", tls_verify=False)

    assert dockerd.routes() == ["GET /info"]


def test_on_the_loopback_network_no_certificate_is_verified_anyway(
    dockerd: Dockerd, engine: DockerEngine
) -> None:
    dockerd.answer("POST /images/create", Reply(lines=({"status": "Done"},)))
    dockerd.answer("GET /images/localhost:5000/x/json", Reply(body={"Id": "sha256:1"}))

    assert engine.pull("localhost:5000/x", tls_verify=False) == "sha256:1"


@pytest.mark.parametrize("image", ["", "-x", "A B", "sha256:" + "a" * 64])
def test_what_is_no_reference_is_not_pulled(
    dockerd: Dockerd, engine: DockerEngine, image: str
) -> None:
    with pytest.raises(ImagePullError):
        engine.pull(image)

    assert dockerd.routes() == []
