"""What podman's own words for a failure mean; each was recorded from podman 4.3.1 or 5.8.6."""

from __future__ import annotations

import pytest

from ramalama_engines.errors import (
    ContainerConflict,
    ContainerNotFound,
    ContainerStartError,
    DeviceNotFound,
    EngineError,
    ImageNotFound,
    ProgramNotFound,
    UnknownRuntime,
    UnsupportedOption,
)
from ramalama_engines.podman.failures import (
    CREATE_FAILURES,
    START_FAILURES,
    failure,
    silently_dropped,
)

NAME_TAKEN = (
    'creating container storage: the container name "chat" is already in use by 99886960a367.'
    " You have to remove that container to be able to reuse that name: that name is already in use"
)
NO_PROGRAM = (
    'runc: runc create failed: unable to start container process: exec: "nosuch": executable file'
    " not found in $PATH: OCI runtime attempted to invoke a command that was not found"
)
NOT_EXECUTABLE = (
    'runc: runc create failed: unable to start container process: exec: "/etc/passwd": permission'
    " denied: OCI permission denied"
)
NO_CARD = (
    "setting up CDI devices: failed to inject devices: failed to stat CDI host device"
    ' "/dev/nope": no such file or directory'
)
RLIMIT = (
    "runc: runc create failed: unable to start container process: error during container init:"
    " error setting rlimits for ready process: error setting rlimit type 6: operation not permitted"
)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("quay.io/no/such:1: image not known", ImageNotFound, "pull it first"),
        ("no such image: quay.io/no/such:1: image not known", ImageNotFound, "pull it first"),
        (
            'parsing reference "UP :": invalid reference format',
            ImageNotFound,
            "not an image reference",
        ),
        (NAME_TAKEN, ContainerConflict, "the name chat is in use"),
        ("names must match [a-zA-Z0-9]: invalid argument", UnsupportedOption, "a container's name"),
        ("unresolvable CDI devices nvidia.com/gpu=7", DeviceNotFound, "nvidia.com/gpu=7;"),
        ("stat /dev/nope: no such file or directory", DeviceNotFound, "no device /dev/nope ("),
        (
            "requested OCI runtime nosuch is not available: invalid argument",
            UnknownRuntime,
            "this podman has no OCI runtime nosuch (",
        ),
        ("/etc/passwd is not a valid device: not a device node", DeviceNotFound, "/etc/passwd"),
        ("no devices found in /dev/fd:/dev/y:rwm: invalid", DeviceNotFound, "/dev/fd is not"),
        (
            "statfs /no pe/x: no such file or directory",
            UnsupportedOption,
            "the mount source /no pe/x does not exist on",
        ),
        (
            "statfs /new\nline: no such file or directory",
            UnsupportedOption,
            "/new line does not exist",
        ),
        ("statfs /root/m: permission denied", UnsupportedOption, "no permission for /root/m:"),
        ('invalid config provided: invalid network "x"', UnsupportedOption, "network named x ("),
        ("unable to find network with name or ID x: network", UnsupportedOption, "named x ("),
        ('no container with name or ID "x" found: no such container', UnsupportedOption, "share"),
        ("keep-id is only supported in rootless mode", UnsupportedOption, "rootless"),
        ("lookup init binary: no such file or directory", UnsupportedOption, "catatonit"),
        ("write /var: no space left on device", EngineError, "disk is full"),
        ('"CAP_FOO": unknown capability', UnsupportedOption, "rejects an option"),
        ('"/m": duplicate mount destination', UnsupportedOption, "rejects an option"),
        ("something unheard of", EngineError, "podman cannot create: something unheard of"),
    ],
)
def test_a_container_that_cannot_be_created(
    text: str, error: type[EngineError], message: str
) -> None:
    failed = failure(text, "cannot create", CREATE_FAILURES)

    assert type(failed) is error
    assert message in str(failed)
    assert "\n" not in str(failed)
    assert failed.engine == "podman"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "cannot listen on the TCP port: listen tcp4 127.0.0.1:80: bind: address already in use",
            ContainerConflict,
            "the host port 127.0.0.1:80 is used",
        ),
        ("pasta: Failed to bind port 18080 (Address", ContainerConflict, "port 18080 is used"),
        (NO_PROGRAM, ProgramNotFound, "the image has no program nosuch"),
        (
            "crun: executable file `nosuch` not found in $PATH: No such file or directory",
            ProgramNotFound,
            "the image has no program nosuch",
        ),
        (NOT_EXECUTABLE, ProgramNotFound, "/etc/passwd in the image cannot be executed"),
        (
            "crun: the path `/etc/passwd` exists but it is not executable: Operation not permitted",
            ProgramNotFound,
            "/etc/passwd in the image cannot be executed",
        ),
        (
            'could not find slirp4netns: exec: "slirp4netns": executable file not found in $PATH',
            ContainerStartError,
            "podman could not start the container",
        ),
        (
            "setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=7",
            DeviceNotFound,
            "describes nvidia.com/gpu=7;",
        ),
        (NO_CARD, DeviceNotFound, "names /dev/nope, which is not a device there"),
        (RLIMIT, ContainerStartError, "does not allow a higher resource limit"),
        (
            "crun: open `memory.max` for writing: No such file or directory",
            ContainerStartError,
            "the engine's cgroup has no controller memory,",
        ),
        (
            "crun: the requested cgroup controller `pids` is not available: OCI runtime error",
            ContainerStartError,
            "the engine's cgroup has no controller pids,",
        ),
        (
            "runc: open /sys/fs/cgroup/memory/x/memory.limit_in_bytes: permission denied",
            ContainerStartError,
            "the engine's cgroup has no controller memory,",
        ),
        ('open("/dev/net/tun"): Permission denied', ContainerStartError, "needs /dev/net/tun"),
        ("unable to find user x", ContainerStartError, "unable to find user x"),
        ('no container with name or ID "x" found: no such container', ContainerNotFound, '"x"'),
    ],
)
def test_a_container_that_cannot_be_started(
    text: str, error: type[EngineError], message: str
) -> None:
    failed = failure(text, "cannot start", START_FAILURES)

    assert type(failed) is error
    assert message in str(failed)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('no container with name or ID "x" found: no such container', ContainerNotFound),
        ("from DB: no such exit code (container in state unknown)", ContainerNotFound),
        ("from DB: no such exit code (container in state running)", EngineError),
        ("cannot remove container x as it is running", EngineError),
    ],
)
def test_a_container_that_is_gone_is_not_found_whatever_was_wanted(
    text: str, error: type[EngineError]
) -> None:
    assert type(failure(text, "cannot stop")) is error


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("Libpod/5.8.6 (linux)", "podman 5.8.6 would silently ignore init; user 'x'"),
        ("", "podman would silently ignore init; user 'x'"),
    ],
)
def test_a_silent_drop_is_told_with_the_version_that_drops(server: str, message: str) -> None:
    assert str(silently_dropped(("init", "user 'x'"), server=server)) == message
