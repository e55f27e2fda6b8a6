"""Turn podman's error messages into exceptions; its status is almost always 500, so text decides.

The messages are those of podman 4.3 to 6.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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
from ramalama_engines.rest.http import FailurePattern, explain
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence


def failure(text: str, what: str, meanings: Sequence[FailurePattern] = ()) -> EngineError:
    """Return an error for podman's *text*; *what* describes it if no pattern matches."""
    unexplained = EngineError(f"podman {one_line(what)}: {one_line(text)}", engine="podman")
    return explain(text, (*meanings, _GONE), engine="podman") or unexplained


def silently_dropped(dropped: Sequence[str], *, server: str = "") -> UnsupportedOption:
    """Return an error for options that the *server*, "Libpod/4.3.1 (linux)", silently ignores."""
    version = re.search(r"[0-9][0-9.]*", server)
    msg = f"podman {version[0] if version else ''} would silently ignore {'; '.join(dropped)}"
    return UnsupportedOption(one_line(msg), engine="podman")


# A 404 error, but a 500 error while another client removes the container.
_GONE = FailurePattern(
    r"no such container|no such exit code \(container in state unknown\)",
    ContainerNotFound,
    "there is no such container",
)

CREATE_FAILURES = (
    FailurePattern(
        r"image not known|no such image",
        ImageNotFound,
        "the image is not in podman's local storage; pull it first",
    ),
    FailurePattern(
        r"invalid reference format|must set root filesystem source",
        ImageNotFound,
        "that is not an image reference",
    ),
    FailurePattern(
        r'name "?(?P<name>[^" ]*)"? is already in use',
        ContainerConflict,
        "the name {name} is in use; choose another, or remove the container that has it",
    ),
    FailurePattern(
        r"names must match",
        UnsupportedOption,
        "a container's name must begin with a letter or a digit"
        " and continue with these, '_', '.' or '-'",
    ),
    FailurePattern(
        r"unresolvable CDI devices (?P<names>[^:\n]*)",
        DeviceNotFound,
        "no CDI specification on the engine's host describes {names};"
        " generate one there, or name another device",
    ),
    FailurePattern(
        r"\bstat (?P<path>/dev/.*?): no such file",
        DeviceNotFound,
        "the engine's host has no device {path}",
    ),
    FailurePattern(
        r"(?P<path>/.*?) is not a valid device|no devices found in (?P<other>/.*?):",
        DeviceNotFound,
        "{path}{other} is not a device of the engine's host",
    ),
    FailurePattern(
        r"\bstatfs (?P<path>/.*?): no such file",
        UnsupportedOption,
        "the mount source {path} does not exist on the engine's host",
    ),
    FailurePattern(
        r"\bstat(?:fs)? (?P<path>/.*?): permission denied",
        UnsupportedOption,
        "the engine has no permission for {path}: a rootless podman can access what its user can",
    ),
    FailurePattern(
        r'invalid network "(?P<mode>[^"]*)"|network with name or ID (?P<name>[^\s:]+)',
        UnsupportedOption,
        "this podman has no network named {mode}{name}",
    ),
    FailurePattern(
        r'no container with name or ID "(?P<name>[^"]*)"',
        UnsupportedOption,
        "there is no container {name} to share a namespace with",
    ),
    FailurePattern(
        r"keep-id is only supported in rootless",
        UnsupportedOption,
        "this podman supports --userns keep-id only if it runs rootless",
    ),
    FailurePattern(
        r"init binary|catatonit",
        UnsupportedOption,
        "the engine's host has no init for containers; install catatonit there, or use no init",
    ),
    FailurePattern(
        r"requested OCI runtime (?P<name>.*?) is not available",
        UnknownRuntime,
        "this podman has no OCI runtime {name}",
    ),
    FailurePattern(
        r"OCI runtime.*(?:not found|no such file)|(?:not found|no such file).*OCI runtime",
        UnknownRuntime,
        "the engine has no such OCI runtime",
    ),
    FailurePattern(
        r"no space left on device",
        EngineError,
        "the engine's disk is full; free some space there",
    ),
    FailurePattern(
        r"cannot unmarshal|invalid|unknown capability|must be an absolute path|duplicate mount"
        r"|not supported|only supported|no such file or directory",
        UnsupportedOption,
        "podman rejects an option",
    ),
)

START_FAILURES = (
    _GONE,
    FailurePattern(
        r"listen tcp\w* (?P<address>\S+): bind: address already in use"
        r"|address already in use|failed to bind port (?P<port>\d+)",
        ContainerConflict,
        "the host port {address}{port} is used by another program; choose another",
    ),
    FailurePattern(
        r'container process:.* exec: "(?P<runc>[^"]*)": (?:executable file|no such file)'
        r"|crun: executable file [`'](?P<crun>[^`']*)[`'] not found",
        ProgramNotFound,
        "the image has no program {runc}{crun}",
    ),
    FailurePattern(
        r'exec: "(?P<runc>[^"]*)": permission denied'
        r"|crun: the path [`'](?P<crun>[^`']*)[`'] exists but it is not executable",
        ProgramNotFound,
        "{runc}{crun} in the image cannot be executed",
    ),
    FailurePattern(
        r"unresolvable CDI devices (?P<names>[^:\n]*)",
        DeviceNotFound,
        "no CDI specification on the engine's host describes {names};"
        " generate one there, or name another device",
    ),
    FailurePattern(
        r'CDI host device "(?P<path>[^"]*)"',
        DeviceNotFound,
        "a CDI specification on the engine's host names {path}, which is not a device there;"
        " generate it again with the vendor's tool",
    ),
    FailurePattern(
        r"/dev/net/tun",
        ContainerStartError,
        "a rootless container's network needs /dev/net/tun, which the engine cannot open;"
        " correct its permissions, or use --network none or host",
    ),
    FailurePattern(
        r"(?P<file>memory|pids)\.(?:max|limit)"
        r"|cgroup controller `(?P<controller>\w+)` is not available",
        ContainerStartError,
        "the engine's cgroup has no controller {file}{controller}, so that it cannot limit a"
        " container; use no limit",
    ),
    FailurePattern(
        r"setting rlimit",
        ContainerStartError,
        "the engine's host does not allow a higher resource limit; podman itself raises nofile and"
        " nproc if ulimits do not set them, so set lower ones",
    ),
    FailurePattern(r"", ContainerStartError, "podman could not start the container"),
)
