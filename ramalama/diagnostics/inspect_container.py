"""A look from inside a container: which devices there are, and what its process may do.

Three programs that nearly every image has are run one after the other, each in a container of its
own and without a shell; an image that lacks one of them leaves that question open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ramalama.serving.container import ServerContainer
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
_PATIENCE = 30.0  # seconds; each of them takes a moment
_READ_WRITE = 0o6
_DAC_OVERRIDE = 1 << 1  # capabilities(7)

# What every container has, by its name below /dev.
_ORDINARY = re.compile(r"/dev/(null|zero|full|random|urandom|tty|console|ptmx|pts/.+)")

_STATUS = re.compile(r"(Uid|Gid|Groups|CapEff|NoNewPrivs):\t(.*)")
_INTERFACE = re.compile(r" *(\S+):(?: *\d+){16}")
_SELINUX = re.compile(r"\w+:\w+:\w+:s\d[\w:,.-]*")
_DIRECTORY = re.compile(r"(/dev(?:/.*)?):")
_NODE = re.compile(r"([cb])([r-][w-][xsS-]){3}[.+@]? +\d+ +(\d+) +(\d+) +\d+, *\d+ .* (\S+)")
# Other variables may be secrets, and a report like this one is shown around.
_VARIABLE = re.compile(
    r"(\w+_VISIBLE_DEVICES|LD_LIBRARY_PATH|(?:ASCEND|CUDA|GGML|HIP|HSA|MUSA|NVIDIA|ROCR?|ZES?)_\w+)=(.*)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDevice:
    """A device node in the container; the IDs are those that the container sees."""

    path: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """What a process in the container found.

    Attributes:
        nodes: device nodes but for those that every container has; None if the image cannot tell.
        capabilities: the effective ones, a bit each; capabilities(7).
        selinux_label: None where SELinux does not separate it.
        interfaces: of the network.
        env: the variables that steer accelerators; None if the image cannot tell.
        missing_programs: those that the image lacks; what they would have told is left out.
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
        """Tell whether the process may open *node* for reading and writing, by the mode alone."""
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
    """Run the programs in containers like *spec*'s, without its mounts but for those at *mounts*.

    Nothing is left behind, whatever happens.

    Raises:
        EngineError: no such container can be created, or none of the programs started.
    """
    kept = {*mounts}
    bare = replace(
        spec,
        mounts=tuple(m for m in spec.mounts if isinstance(m, TmpfsMount) or m.target in kept),
    )
    said: dict[str, Sequence[str]] = {}
    refused: list[ContainerStartError] = []
    for program, arguments in _PROGRAMS.items():
        try:
            probe = replace(bare, entrypoint=(program,), command=arguments)
            said[program] = _run(ServerContainer(engine, directory), engine, probe)
        except ContainerStartError as exc:
            refused.append(exc)
    if not said:
        raise refused[0]
    return read_sight(said)


def _run(instance: ServerContainer, engine: Engine, spec: ContainerSpec) -> tuple[str, ...]:
    try:
        with instance:
            container = instance.create(spec)
            instance.start()
            engine.wait(container, timeout=_PATIENCE)
            return tuple(engine.logs(container))
    except TimeoutError as exc:
        msg = f"a probe of {spec.image} did not end within {_PATIENCE:g} s"
        raise EngineError(msg, engine=engine.kind) from exc


def read_sight(said: Mapping[str, Sequence[str]]) -> ContainerView:
    """Understand what the programs wrote, by their names; what makes no sense is passed over."""
    written = said.get("cat", ())
    status = {match[1]: match[2].split() for match in _matches(_STATUS, written)}
    labels = [match[0] for match in _matches(_SELINUX, written)]
    capabilities = status.get("CapEff")
    privileges = status.get("NoNewPrivs")
    return ContainerView(
        nodes=_nodes(said["ls"]) if "ls" in said else None,
        uid=_effective(status.get("Uid")),
        gid=_effective(status.get("Gid")),
        groups=tuple(int(word) for word in status.get("Groups", ())),
        capabilities=int(capabilities[0], 16) if capabilities else None,
        no_new_privileges=privileges == ["1"] if privileges else None,
        selinux_label=labels[0] if labels else None,
        interfaces=tuple(match[1] for match in _matches(_INTERFACE, written)),
        env=_env(said["env"]) if "env" in said else None,
        missing_programs=tuple(name for name in _PROGRAMS if name not in said),
    )


def _effective(ids: Sequence[str] | None) -> int | None:
    """Take the second of the real, effective, saved and file system ID."""
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
            if not _ORDINARY.fullmatch(path):
                mode = _mode(line[1:10])
                nodes.append(
                    ContainerDevice(path=path, mode=mode, uid=int(row[3]), gid=int(row[4]))
                )
    return tuple(nodes)


def _mode(letters: str) -> int:
    return int("".join("0" if letter == "-" else "1" for letter in letters), base=2)


def _matches(pattern: re.Pattern[str], lines: Iterable[str]) -> Iterable[re.Match[str]]:
    return (match for line in lines if (match := pattern.fullmatch(line)))
