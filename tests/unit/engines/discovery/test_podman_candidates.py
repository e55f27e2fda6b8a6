"""What podman's connections and virtual machines lead to, and when they are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.address import EngineAddress, TlsFiles
from ramalama_engines.discovery.candidates import candidates, expected_candidates, find_address
from ramalama_engines.discovery.locate import Candidate, EngineLocation
from ramalama_engines.discovery.podman_machine import MachineMount, machines
from ramalama_engines.discovery.remedy import how_to_start
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from tests.unit.engines.discovery.homes import (
    KEY,
    LINUX,
    MACHINE,
    MACOS,
    context_at,
    listen,
    machine_connections,
    make_user,
    write,
    write_connections,
    write_context,
    write_machine,
)

if TYPE_CHECKING:
    from ramalama_engines.user import InvokingUser

PODMAN, DOCKER = EngineKind.PODMAN, EngineKind.DOCKER
GPU = "ssh://me@gpu:22/run/user/1000/podman/podman.sock"
MACHINE_URL = "ssh://core@127.0.0.1:54321/run/user/501/podman/podman.sock"
CONF = f"""\
[containers]
log_size_max = -1
[engine]
active_service = "old"
[engine.service_destinations.old]
uri = "{GPU}"
identity = "~/.ssh/id"
[engine.service_destinations.tls]
uri = "tcp://gpu:8443"
tls_ca = "/tls/ca.pem"
tls_cert = "/tls/cert.pem"
tls_key = "/tls/key.pem"
"""


def named(
    user: InvokingUser, name: str, *, kind: EngineKind | None = None, platform: str = LINUX
) -> Candidate:
    location = EngineLocation(source="--connection", connection=name)
    (found,) = candidates(user, kind=kind, location=location, platform=platform)
    return found


def listed(user: InvokingUser, platform: str) -> list[Candidate]:
    return [*candidates(user, platform=platform)]


def test_a_named_connection_is_the_only_candidate_and_must_be_podman(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"CONTAINER_HOST": "unix:///c.sock"})
    write_connections(user, {"gpu": {"URI": GPU, "Identity": "/keys/id"}})

    assert named(user, "gpu") == Candidate(
        address=EngineAddress(url=GPU, identity_file=Path("/keys/id")),
        kind=PODMAN,
        source="podman connection 'gpu' (--connection)",
        explicit=True,
    )


def test_a_connection_brings_its_files_for_tls(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    tls = {"TLSCA": "/tls/ca.pem", "TLSCert": "/tls/cert.pem", "TLSKey": "/tls/key.pem"}
    write_connections(user, {"json": {"URI": "tcp://gpu:8443", **tls}})
    write(user.config_dir / "containers/containers.conf", CONF)

    files = TlsFiles(ca=Path("/tls/ca.pem"), cert=Path("/tls/cert.pem"), key=Path("/tls/key.pem"))
    assert named(user, "json").address == EngineAddress(url="tcp://gpu:8443", tls=files)
    assert named(user, "tls").address == EngineAddress(url="tcp://gpu:8443", tls=files)


@pytest.mark.parametrize(
    ("directory", "moved"),
    [
        ("etc/containers", {}),
        ("usr/share/containers", {}),
        ("home/me/.config/containers", {}),
        ("xdg/containers", {"XDG_CONFIG_HOME": "{root}/xdg"}),
        ("etc/containers/containers.conf.d", {}),
        ("else", {"CONTAINERS_CONF": "{root}/else/containers.conf"}),
        ("last", {"CONTAINERS_CONF_OVERRIDE": "{root}/last/containers.conf"}),
    ],
)
def test_a_connection_of_podman_4_is_in_any_containers_conf(
    tmp_path: Path, directory: str, moved: dict[str, str]
) -> None:
    env = {name: value.format(root=tmp_path) for name, value in moved.items()}
    user = make_user(tmp_path, env)
    write(tmp_path / directory / "containers.conf", CONF)

    key = user.home / ".ssh/id"
    assert named(user, "old").address == EngineAddress(url=GPU, identity_file=key)


def test_later_files_win_and_the_json_file_comes_last(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    write(tmp_path / "etc/containers/containers.conf", CONF)
    user_conf = user.config_dir / "containers/containers.conf"
    write(user_conf, CONF.replace("me@gpu", "you@gpu"))
    assert named(user, "old").url == GPU.replace("me@", "you@")

    write_connections(user, {"old": {"URI": "ssh://new"}})

    assert named(user, "old").url == "ssh://new"
    assert named(user, "tls").url == "tcp://gpu:8443"


def test_a_variable_moves_the_json_file(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"PODMAN_CONNECTIONS_CONF": f"{tmp_path}/x.json"})
    write(tmp_path / "x.json", {"Connection": {"Connections": {"gpu": {"URI": GPU}}}})

    assert named(user, "gpu").url == GPU


def test_podmans_variable_names_a_connection_before_its_other_one_an_address(
    tmp_path: Path,
) -> None:
    env = {"CONTAINER_CONNECTION": "gpu", "CONTAINER_HOST": "unix:///c.sock"}
    user = make_user(tmp_path, env)
    write_connections(user, {"gpu": {"URI": GPU}})

    (found,) = listed(user, LINUX)

    assert (found.url, found.source) == (GPU, "podman connection 'gpu' (CONTAINER_CONNECTION)")
    assert "gpu" not in {each.url for each in candidates(user, kind=DOCKER)}


def test_a_connection_cannot_be_named_for_docker(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"a connection of podman, .* to be docker; use"):
        named(make_user(tmp_path), "gpu", kind=DOCKER)


def test_a_connection_that_does_not_exist_is_an_error_with_those_that_do(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    write_connections(user, {"gpu": {"URI": GPU}, "big": {"URI": GPU}})

    with pytest.raises(EngineUnavailable) as caught:
        named(user, "gpv")

    assert str(caught.value) == (
        "--connection names the podman connection 'gpv', which does not exist; "
        "podman system connection list shows them (here: big, gpu)"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", r"podman-connections.json is not valid JSON \(line 1"),
        ("[]", "podman-connections.json does not hold a JSON object"),
        ({"Connection": 7}, "podman-connections.json: Connection is not a JSON object"),
        ({"Connection": {"Default": 7}}, "podman-connections.json: Default is not a name"),
        ({"Connection": {"Connections": 7}}, "or Connections is not a JSON object"),
        ({"Connection": {"Connections": {"gpu": 7}}}, "the connection 'gpu' is not a JSON"),
        ({"Connection": {"Connections": {"gpu": {}}}}, "does not begin with unix:"),
        ({"Connection": {"Connections": {"gpu": {"URI": 7}}}}, "has a wrong type"),
        (
            {"Connection": {"Connections": {"gpu": {"URI": GPU, "Identity": "/\ud800"}}}},
            "or control characters",
        ),
        (
            {"Connection": {"Connections": {"gpu": {"URI": "ssh://a:secret@b"}}}},
            r"ssh://\*\*\*@b: it must not contain a password",
        ),
        ("[" * 100_000, "podman-connections.json is not valid JSON"),
    ],
)
def test_a_broken_file_of_connections_is_one_line(
    tmp_path: Path, content: object, reason: str
) -> None:
    user = make_user(tmp_path)
    write(user.config_dir / "containers/podman-connections.json", content)

    with pytest.raises(EngineUnavailable, match=reason) as caught:
        named(user, "gpu")

    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[engine\nremote = true", "it is not TOML"),
        ("engine = 7 # remote\nremote = 1", r"\[engine\] is not a table"),
        ('[engine]\nremote = "yes"', r"remote in \[engine\] has a wrong type"),
        ("[engine]\nactive_service = 1", r"active_service in \[engine\] has a wrong type"),
        ("[engine]\nservice_destinations = 1", "service_destinations is not a table"),
        ("[engine.service_destinations]\ngpu = 1", "'gpu' that is not a table"),
        ("[engine]\nremote = true\n" + "#" * 300_000, "it is larger than 262144 bytes"),
    ],
)
def test_a_broken_containers_conf_is_one_line(tmp_path: Path, content: str, reason: str) -> None:
    user = make_user(tmp_path)
    file = write(user.config_dir / "containers/containers.conf", content)

    with pytest.raises(EngineUnavailable, match=reason) as caught:
        named(user, "gpu")

    assert str(caught.value).startswith(f"{file}: ")
    assert str(caught.value).isprintable()


def test_a_containers_conf_without_connections_is_not_parsed(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    write(user.config_dir / "containers/containers.conf", "# remote = true\n[containers\nrubbish")

    assert listed(user, LINUX)[0].source == "known socket"


def test_on_linux_a_default_connection_to_another_host_is_only_mentioned(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    write_connections(user, {"gpu": {"URI": GPU}}, default="gpu")

    *sockets, last = listed(user, LINUX)

    assert len(sockets) == len(listed(make_user(tmp_path / "other"), LINUX))
    assert (last.url, last.explicit) == (GPU, False)
    assert last.refusal.endswith("to use it here: --connection gpu")
    assert GPU not in {each.url for each in expected_candidates(user, platform=LINUX)[:-1]}


@pytest.mark.parametrize("url", ["unix:///lima/podman.sock", "ssh://me@127.0.0.1:60022/x.sock"])
def test_on_linux_a_default_connection_to_this_host_comes_last(tmp_path: Path, url: str) -> None:
    user = make_user(tmp_path)
    write_connections(user, {"vm": {"URI": url}}, default="vm")

    last = listed(user, LINUX)[-1]

    assert (last.url, last.explicit, last.refusal) == (url, False, "")
    assert last.source == "podman's default connection 'vm'"
    assert url not in {each.url for each in candidates(user, kind=DOCKER, platform=LINUX)}


def test_the_default_connection_is_the_only_candidate_if_podman_is_always_remote(
    tmp_path: Path,
) -> None:
    user = make_user(tmp_path)
    write(user.config_dir / "containers/containers.conf", f"{CONF}[engine.x]\n")
    write(tmp_path / "etc/containers/containers.conf.d/r.conf", "[engine]\nremote = true\n")

    (found,) = listed(user, LINUX)

    assert (found.url, found.explicit) == (GPU, True)


def test_on_macos_the_default_connection_is_the_only_candidate(tmp_path: Path) -> None:
    user = make_user(tmp_path, uid=501)
    write_connections(user, {"gpu": {"URI": GPU}}, default="gpu")
    write_machine(user)

    (found,) = listed(user, MACOS)

    assert (found.url, found.explicit) == (GPU, True)


def test_a_default_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    write_connections(user, {}, default="gone")

    with pytest.raises(
        EngineUnavailable, match=r"podman's default names .* 'gone', which does not"
    ):
        listed(user, MACOS)


def mac(tmp_path: Path, **env: str) -> InvokingUser:
    return make_user(tmp_path, {"TMPDIR": f"{tmp_path}/T/", **env}, uid=501)


def test_a_running_machine_is_reached_by_the_socket_that_it_forwards(tmp_path: Path) -> None:
    user = mac(tmp_path)
    write_connections(user, machine_connections(), default=MACHINE)
    write_machine(user)
    with listen(tmp_path / f"T/podman/{MACHINE}-api.sock"):
        first, *others = listed(user, MACOS)
        expected = expected_candidates(user, platform=MACOS)

    assert first.url == f"unix://{tmp_path}/T/podman/{MACHINE}-api.sock"
    assert (first.kind, first.explicit, first.refusal) == (PODMAN, False, "")
    assert first.start == "podman machine start"
    assert [each.url for each in expected] == [first.url]
    assert [each.source for each in others] == ["known socket of Docker Desktop", "known socket"]


def test_a_machine_without_its_socket_is_reached_by_ssh(tmp_path: Path) -> None:
    user = mac(tmp_path)
    write_machine(user)

    first = listed(user, MACOS)[0]

    assert first.address == EngineAddress(url=MACHINE_URL, identity_file=Path(KEY), is_machine=True)
    assert first.source == f"podman machine {MACHINE!r}"


def test_what_a_machine_is_and_shares_is_read_from_its_file(tmp_path: Path) -> None:
    user = mac(tmp_path)
    write_machine(user)

    (machine,) = machines(user, MACOS)

    assert (machine.provider, machine.uid) == ("libkrun", 501)
    assert machine.mounts == tuple(
        MachineMount(source=path, target=path, is_read_only=False)
        for path in ("/Users", "/private", "/var/folders")
    )


def test_a_long_path_of_a_socket_is_reached_by_podmans_link(tmp_path: Path) -> None:
    user = mac(tmp_path, TMPDIR=f"{tmp_path}/{'x' * 90}")
    write_machine(user)

    assert machines(user, MACOS)[0].socket == user.home / f".podman/{MACHINE}-api.sock"


def test_without_a_variable_the_socket_is_in_tmp(tmp_path: Path) -> None:
    user = make_user(tmp_path, uid=501)
    write_machine(user, "m")

    assert machines(user, MACOS)[0].socket == tmp_path / "tmp/podman/m-api.sock"
    assert machines(user, LINUX)[0].socket == tmp_path / "run/user/501/podman/m-api.sock"


def test_a_rootful_machine_is_not_used_and_the_message_says_what_mends_it(tmp_path: Path) -> None:
    user = mac(tmp_path)
    write_connections(user, machine_connections(), default=f"{MACHINE}-root")
    write_machine(user, HostUser={"Rootful": True, "UID": 501})

    first = listed(user, MACOS)[0]

    assert first.refusal == (
        "containers would run as root in this virtual machine; to allow it: "
        f"--connection {MACHINE}-root"
    )
    assert how_to_start(user, None, platform=MACOS) == (
        f"podman machine stop {MACHINE}; podman machine set --rootful=false {MACHINE} && "
        "podman machine start"
    )


@pytest.mark.parametrize(
    ("name", "rootful", "url"),
    [
        (MACHINE, False, "{socket}"),
        (MACHINE, True, MACHINE_URL),
        (f"{MACHINE}-root", True, "{socket}"),
        (f"{MACHINE}-root", False, "ssh://root@127.0.0.1:54321/run/podman/podman.sock"),
    ],
)
def test_a_machine_that_the_user_names_is_used_rootful_or_not(
    tmp_path: Path, name: str, *, rootful: bool, url: str
) -> None:
    user = mac(tmp_path)
    write_connections(user, machine_connections())
    write_machine(user, HostUser={"Rootful": rootful, "UID": 501})
    with listen(tmp_path / f"T/podman/{MACHINE}-api.sock"):
        found = named(user, name, platform=MACOS)

    socket = f"unix://{tmp_path}/T/podman/{MACHINE}-api.sock"
    assert found.url == url.format(socket=socket)
    assert (found.explicit, found.refusal) == (True, "")


def test_a_connection_to_a_machine_that_is_gone_says_how_to_make_one(tmp_path: Path) -> None:
    user = mac(tmp_path)
    write_connections(user, machine_connections(), default=MACHINE)

    first = listed(user, MACOS)[0]

    assert (first.url, first.address.is_machine) == (MACHINE_URL, True)
    assert first.start == f"podman machine init {MACHINE} && podman machine start {MACHINE}"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Version": 0}, "is of podman 4 or older; make it anew: podman machine rm big; "),
        ({"SSH": 7}, "has no valid SSH or HostUser"),
        ({"SSH": {"Port": 70000, "RemoteUsername": "core"}}, "has no valid SSH"),
        ({"SSH": {"Port": True, "RemoteUsername": "core"}}, "has no valid SSH"),
        ({"SSH": {"Port": 22, "RemoteUsername": "a:b@c/"}}, "has no valid SSH"),
        ({"HostUser": {"UID": -1}}, "has no valid SSH"),
        (
            {"SSH": {"Port": 22, "RemoteUsername": "core", "IdentityPath": "/\0"}},
            "has no valid SSH",
        ),
    ],
)
def test_a_broken_machine_does_not_hide_the_others(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    user = mac(tmp_path)
    write_machine(user, "big", "libkrun", **changes)
    write_machine(user, "small", "applehv")

    found = {each.source: each for each in listed(user, MACOS)}

    assert problem in found["podman machine 'big'"].refusal
    assert found["podman machine 'small'"].refusal == ""
    assert how_to_start(user, None, platform=MACOS) == "podman machine start small"


def test_a_machine_that_is_too_old_is_made_anew(tmp_path: Path) -> None:
    user = mac(tmp_path)
    write_machine(user, "big", "libkrun", Version=0)

    assert how_to_start(user, None, platform=MACOS) == (
        "podman machine rm big && podman machine init big && podman machine start big"
    )


def test_a_machine_of_no_sense_is_skipped(tmp_path: Path) -> None:
    user = mac(tmp_path)
    file = write_machine(user, "big", Mounts=[7, {"Source": 7}])
    (file.parent / "a b.json").write_text("{}")
    (file.parent / "loop.json").symlink_to("loop.json")
    file.with_name("huge.json").write_text("[" * 5_000_000)

    found = {machine.name: machine for machine in machines(user, MACOS)}

    assert (found["big"].mounts, found["big"].problem) == ((), "")
    assert "cannot be read" in found["loop"].problem
    assert "longer than" in found["huge"].problem
    assert set(found) == {"big", "loop", "huge"}


def test_the_provider_that_the_user_prefers_comes_first(tmp_path: Path) -> None:
    user = mac(tmp_path)
    for provider in ("libkrun", "applehv", "qemu"):
        write_machine(user, f"of-{provider}", provider)
    moved = mac(tmp_path, CONTAINERS_MACHINE_PROVIDER="applehv")

    assert [each.provider for each in machines(user, MACOS)] == ["libkrun", "applehv", "qemu"]
    assert [each.provider for each in machines(moved, MACOS)] == ["applehv", "libkrun", "qemu"]


def test_the_address_of_a_recorded_engine_is_found_with_its_keys(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"DOCKER_TLS_VERIFY": "1"})
    write_connections(user, {"gpu": {"URI": GPU, "Identity": "/keys/id"}, "bad": {"URI": "x"}})
    write_machine(user)
    write_context(user.docker_dir, "tls", context_at("tcp://gpu:2376"), pem=("ca",))
    write_context(user.docker_dir, "bad", "{")

    def found(url: str) -> EngineAddress:
        return find_address(user, url, platform=LINUX)

    assert found("unix:///x?#.sock") == EngineAddress(url="unix:///x?#.sock")
    assert found(GPU).identity_file == Path("/keys/id")
    assert found(MACHINE_URL).is_machine
    tls = found("tcp://gpu:2376").tls
    assert tls is not None
    assert tls.ca is not None
    assert found("tcp://other:2376").tls == TlsFiles()  # what docker's variables say
    with pytest.raises(EngineUnavailable, match="the record of a server says"):
        found("bogus")


def test_an_address_is_found_even_if_the_settings_are_broken(tmp_path: Path) -> None:
    user = make_user(tmp_path, {"CONTAINER_HOST": "bogus", "CONTAINER_SSHKEY": "/keys/id"})
    write(user.config_dir / "containers/podman-connections.json", "{")

    found = find_address(user, GPU, platform=LINUX)

    assert found == EngineAddress(url=GPU, identity_file=Path("/keys/id"))


def test_nothing_of_podmans_is_read_for_docker(tmp_path: Path) -> None:
    user = mac(tmp_path)
    write(user.config_dir / "containers/podman-connections.json", "{")
    write(user.config_dir / "containers/containers.conf", "[engine\nremote = true")

    for platform in (LINUX, MACOS):
        assert [*candidates(user, kind=DOCKER, platform=platform)]
