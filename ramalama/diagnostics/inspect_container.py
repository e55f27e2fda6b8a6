"""Inspect a container from inside: which devices it has, and what its process may do.

Three programs run one after the other, each in its own container and without a shell. Nearly every
image has these programs. If one is missing, what it would have shown stays unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ramalama.planning.mounts import cover_volumes
from ramalama.serving.container import ServerContainer
from ramalama.serving.sides.find import side_of
from ramalama_engines.errors import ContainerStartError, EngineError
from ramalama_engines.spec import TmpfsMount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ramalama.serving.run_dir import ServerDir
    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerSpec

_PROGRAMS = {
    "cat": ("/proc/self/status", "/proc/net/dev", "/proc/self/attr/current"),
    "ls": ("-lnR", "/dev"),
    "env": (),
}
_PROGRAM_TIMEOUT = 30.0  # seconds; each program usually takes less than one
_MEMORY_LIMIT = 1 << 30  # bytes
_READ_WRITE = 0o6
_DAC_OVERRIDE = 1 << 1  # capabilities(7)

# The devices that every container has.
_STANDARD_DEVICE = re.compile(r"/dev/(null|zero|full|random|urandom|tty|console|ptmx|pts/.+)")

_STATUS = re.compile(r"(Uid|Gid|Groups|CapEff|NoNewPrivs):\t(.*)")
_INTERFACE = re.compile(r" *(\S+):(?: *\d+){16}")
_SELINUX = re.compile(r"\w+:\w+:\w+:s\d[\w:,.-]*")
_DIRECTORY = re.compile(r"(/dev(?:/.*)?):")
_NODE = re.compile(r"([cb])([r-][w-][xsS-]){3}[.+@]? +\d+ +(\d+) +(\d+) +\d+, *\d+ .* (\S+)")
# Other variables may be secrets, and users paste reports like this one into public issues.
_VARIABLE = re.compile(
    r"(\w+_VISIBLE_DEVICES|LD_LIBRARY_PATH|(?:ASCEND|CUDA|GGML|HIP|HSA|MUSA|NVIDIA|ROCR?|ZES?)_\w+)=(.*)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDevice:
    """A device node in the container.

    Attributes:
        mode: the permission bits.
        uid: the owner, as the container sees it.
        gid: the group, as the container sees it.
    """

    path: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """What a process in the container found; a value is None if the image lacks the program for it.

    Attributes:
        nodes: the device nodes, without those that every container has.
        capabilities: the effective capabilities, one bit each; see capabilities(7).
        selinux_label: None also if SELinux does not confine the process.
        interfaces: the names of the network interfaces.
        env: the variables that control accelerators.
        missing_programs: the programs that the image lacks.
    """

    nodes: tuple[ContainerDevice, ...] | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()
    capabilities: int | None = None
    no_new_privileges: bool | None = None
    selinux_label: str | None = None
    interfaces: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None
    missing_programs: tuple[str, ...] = ()

    def may_use(self, node: ContainerDevice) -> bool:
        """Return whether the mode of *node* lets the process open it for reading and writing."""
        if (self.capabilities or 0) & _DAC_OVERRIDE:
            return True
        if self.uid == node.uid:
            bits = node.mode >> 6
        elif node.gid == self.gid or node.gid in self.groups:
            bits = node.mode >> 3
        else:
            bits = node.mode
        return bits & _READ_WRITE == _READ_WRITE


def look(
    engine: Engine, spec: ContainerSpec, directory: ServerDir, *, mounts: Iterable[str]
) -> ContainerView:
    """Run the programs in containers like *spec*, and return what they found.

    Of the bind mounts of *spec*, only those whose targets are in *mounts* are kept, and the memory
    is limited to what these programs need. Every container is removed again, even after an error.

    Raises:
        EngineError: a container cannot be created, or none of the programs started.
        OptionRefused: the image declares odd volumes.
    """
    targets = {*mounts}
    kept = tuple(m for m in spec.mounts if isinstance(m, TmpfsMount) or m.target in targets)
    image = engine.image(spec.image)  # when *spec* was made, it may not have been local
    volumes = () if image is None else cover_volumes(image, spec.image, kept)
    bare = replace(
        spec,
        mounts=(*kept, *volumes),
        memory_limit=_MEMORY_LIMIT,
        optional_limits=("pids_limit", "memory_limit"),
    )
    side = side_of(engine, directory.path.parent)
    output: dict[str, Sequence[str]] = {}
    failures: list[ContainerStartError] = []
    for program, arguments in _PROGRAMS.items():
        try:
            probe = replace(bare, entrypoint=(program,), command=arguments)
            output[program] = _run(ServerContainer(engine, directory, side), engine, probe)
        except ContainerStartError as exc:
            failures.append(exc)
    if not output:
        raise failures[0]
    return read_view(output)


def _run(server_container: ServerContainer, engine: Engine, spec: ContainerSpec) -> tuple[str, ...]:
    try:
        with server_container:
            server_container.create(spec)
            container = server_container.start()
            engine.wait(container, timeout=_PROGRAM_TIMEOUT)
            return tuple(engine.logs(container))
    except TimeoutError as exc:
        msg = f"a probe of {spec.image} did not end within {_PROGRAM_TIMEOUT:g} s"
        raise EngineError(msg, engine=engine.kind) from exc


def read_view(output: Mapping[str, Sequence[str]]) -> ContainerView:
    """Parse the *output* lines of each program, by its name; unknown lines are ignored."""
    cat_lines = output.get("cat", ())
    status = {match[1]: match[2].split() for match in _matches(_STATUS, cat_lines)}
    labels = [match[0] for match in _matches(_SELINUX, cat_lines)]
    capabilities = status.get("CapEff")
    privileges = status.get("NoNewPrivs")
    return ContainerView(
        nodes=_nodes(output["ls"]) if "ls" in output else None,
        uid=_effective(status.get("Uid")),
        gid=_effective(status.get("Gid")),
        groups=tuple(int(word) for word in status.get("Groups", ())),
        capabilities=int(capabilities[0], 16) if capabilities else None,
        no_new_privileges=privileges == ["1"] if privileges else None,
        selinux_label=labels[0] if labels else None,
        interfaces=tuple(match[1] for match in _matches(_INTERFACE, cat_lines)),
        env=_env(output["env"]) if "env" in output else None,
        missing_programs=tuple(name for name in _PROGRAMS if name not in output),
    )


def _effective(ids: Sequence[str] | None) -> int | None:
    """Return the effective one of the real, effective, saved and file system IDs; see proc(5)."""
    return int(ids[1]) if ids else None


def _env(lines: Iterable[str]) -> Mapping[str, str]:
    return {match[1]: match[2] for match in _matches(_VARIABLE, lines)}


def _nodes(lines: Iterable[str]) -> tuple[ContainerDevice, ...]:
    nodes: list[ContainerDevice] = []
    directory = "/dev"
    for line in lines:
        if heading := _DIRECTORY.fullmatch(line):
            directory = heading[1]
        elif row := _NODE.fullmatch(line):
            path = f"{directory}/{row[5]}"
            if not _STANDARD_DEVICE.fullmatch(path):
                mode = _mode(line[1:10])
                nodes.append(
                    ContainerDevice(path=path, mode=mode, uid=int(row[3]), gid=int(row[4]))
                )
    return tuple(nodes)


def _mode(letters: str) -> int:
    return int("".join("0" if letter == "-" else "1" for letter in letters), base=2)


def _matches(pattern: re.Pattern[str], lines: Iterable[str]) -> Iterable[re.Match[str]]:
    return (match for line in lines if (match := pattern.fullmatch(line)))
