"""The options that describe a server, and how they become `ServeOptions`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ramalama.cli.invocation import GlobalArguments, typed
from ramalama.config.options import ServeOptions
from ramalama.config.parsers import (
    one_of,
    parse_bool,
    parse_ctx_size,
    parse_env,
    parse_ngl,
    parse_temp,
    parse_threads,
)
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines import PullPolicy
from ramalama_engines.spec import Device, parse_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ramalama.config.config import Config
    from ramalama.models.reference.reference import ModelRef

    # argparse gives what `add_argument_group` returns no public name.
    ArgumentGroup = argparse._ArgumentGroup  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

T = TypeVar("T")

NO_DEVICE = "none"
NO_DRAFT = "none"
_HIGHEST_PORT = 65535
_DASHED = "--runtime-args"


class ServeArguments(GlobalArguments):
    """What the parser fills in; None where the settings decide."""

    authfile: Path | None
    ctx_size: int | None
    device: list[Device | None]
    env: list[str]
    force: bool
    image: str | None
    keep_groups: bool | None
    model: str
    model_draft: str | None
    name: str | None
    network: str | None
    ngl: int | None
    oci_runtime: str | None
    port: int | None
    privileged: bool
    pull: PullPolicy | None
    runtime: RuntimeName | None
    runtime_args: list[list[str]]
    seed: int | None
    selinux: bool | None
    temp: float | None
    threads: int | None
    tls_verify: bool | None


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the manual page's server and container."""
    model = parser.add_argument_group("model options")
    _add_model_options(model)
    _add_runtime_options(model)
    container = parser.add_argument_group("container options")
    _add_container_options(container)
    _add_isolation_options(container)
    _add_image_options(parser.add_argument_group("image options"))


def serve_options(
    arguments: ServeArguments,
    resolve: Callable[[str], ModelRef],
    config: Config,
    environ: Mapping[str, str],
    *,
    parallel: int | None,
) -> ServeOptions:
    """Fold the command line over the settings; *resolve* reads the names of models."""
    draft = _first(arguments.model_draft, config.model_draft)
    return ServeOptions(
        model=resolve(arguments.model),
        draft=resolve(draft) if draft and draft != NO_DRAFT else None,
        runtime=_first(arguments.runtime, config.runtime),
        ctx_size=config.ctx_size if arguments.ctx_size is None else arguments.ctx_size,
        ngl=_first(arguments.ngl, config.ngl),
        threads=_first(arguments.threads, config.threads),
        temp=config.temp if arguments.temp is None else arguments.temp,
        seed=arguments.seed,
        parallel=parallel,
        runtime_args=tuple(word for words in arguments.runtime_args for word in words),
        image=arguments.image,
        pull_policy=_first(arguments.pull, config.pull),
        network=_first(arguments.network, config.network),
        port=arguments.port,
        name=arguments.name,
        env=resolve_env((*config.env, *arguments.env), environ),
        devices=_devices(arguments.device),
        privileged=arguments.privileged,
        keep_groups=_first(arguments.keep_groups, config.keep_groups),
        selinux=_first(arguments.selinux, config.selinux),
        oci_runtime=_first(arguments.oci_runtime, config.oci_runtime),
        authfile=arguments.authfile,
        tls_verify=_first(arguments.tls_verify, config.tls_verify),
        force=arguments.force,
    )


def split_at_dashes(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Split at the first ``--``: what follows are no options, whatever they look like."""
    if "--" not in words:
        return words, ()
    position = list(words).index("--")
    return words[:position], words[position + 1 :]


def join_dashed(words: Sequence[str]) -> list[str]:
    """Join an option whose value begins with a dash by nature with it, as argparse wants it."""
    joined: list[str] = []
    for position, word in enumerate(words):
        if joined and joined[-1] == _DASHED:
            joined[-1] = f"{_DASHED}={word}"
        elif word == "--":
            return [*joined, *words[position:]]
        else:
            joined.append(word)
    return joined


def resolve_env(items: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Read ``K=V``, and ``K`` as the host's value where the host has one."""
    resolved: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if equals:
            resolved[name] = value
        elif name in environ:
            resolved[name] = environ[name]
    return resolved


def _first(given: T | None, setting: T) -> T:
    return setting if given is None else given


def _devices(given: Sequence[Device | None]) -> tuple[Device, ...] | None:
    if None in given:
        return ()
    return tuple(device for device in given if device) or None


def _add_model_options(group: ArgumentGroup) -> None:
    group.add_argument(
        *("-c", "--ctx-size", "--max-model-len"),
        type=typed(parse_ctx_size),
        metavar="TOKENS",
        dest="ctx_size",
        help="size of the context (default: 2048, 0 = the model's own)",
    )
    group.add_argument(
        "--ngl",
        type=typed(parse_ngl),
        metavar="LAYERS",
        help="layers on the GPU (default: -1 = as many as fit; 0 = CPU, 999 = all)",
    )
    group.add_argument(
        "--model-draft",
        type=_text,
        metavar="MODEL",
        help="a small model of the same family that guesses ahead, for speed; `none` for none",
    )
    group.add_argument("--temp", type=typed(parse_temp), help="temperature (default: 0.8)")
    group.add_argument("--seed", type=int, help="seed of the sampler (default: random)")
    group.add_argument(
        *("-t", "--threads"),
        type=typed(parse_threads),
        metavar="N",
        help="CPU threads (default: half the cores)",
    )
    group.add_argument(
        "--force",
        action="store_true",
        help="start a model whose weights exceed the memory of this host, too",
    )


def _add_runtime_options(group: ArgumentGroup) -> None:
    group.add_argument(
        "--runtime",
        type=typed(one_of(RuntimeName)),
        metavar="{llama.cpp,vllm}",
        help="inference server (default: llama.cpp)",
    )
    group.add_argument(
        "--runtime-args",
        type=typed(_shell_words),
        action="append",
        default=[],
        metavar='"ARGS"',
        help="further arguments for the server, split as a shell does; may be repeated",
    )


def _add_container_options(group: ArgumentGroup) -> None:
    group.add_argument("-n", "--name", type=_text, help="name of the container (default: random)")
    group.add_argument(
        *("--network", "--net"),
        type=_text,
        metavar="MODE",
        help="network of the container (default: none; others publish a port on 127.0.0.1)",
    )
    group.add_argument(
        *("-p", "--port"),
        type=typed(_port),
        help="port to publish on, with --network (default: the engine picks)",
    )
    group.add_argument(
        "--device",
        type=typed(_device),
        action="append",
        default=[],
        metavar="SRC[:DST[:rwm]]",
        help="add a host device, or a CDI device by name; `none` maps no device at all",
    )
    group.add_argument(
        "--env",
        type=typed(parse_env),
        action="append",
        default=[],
        metavar="K[=V]",
        help="set a variable in the container; without a value, the host's if it is set",
    )


def _add_isolation_options(group: ArgumentGroup) -> None:
    group.add_argument(
        "--keep-groups",
        action="store_const",
        const=True,
        help="keep your supplementary groups in the container (podman with crun)",
    )
    group.add_argument("--oci-runtime", type=_text, metavar="NAME", help="override the engine's")
    group.add_argument(
        "--privileged", action="store_true", help="switch off what isolates the container"
    )
    group.add_argument(
        "--selinux",
        type=typed(parse_bool),
        metavar="BOOL",
        help="keep SELinux separation on (default: true)",
    )


def _add_image_options(group: ArgumentGroup) -> None:
    group.add_argument(
        "--image", type=_text, help="OCI image (default: the accelerator's, see `ramalama info`)"
    )
    group.add_argument(
        "--pull",
        type=typed(one_of(PullPolicy)),
        metavar="{always,missing,never,newer}",
        help="when to pull the image (default: missing)",
    )
    group.add_argument(
        "--authfile", type=Path, metavar="PATH", help="credentials for the image's registry"
    )
    group.add_argument(
        "--tls-verify",
        type=typed(parse_bool),
        metavar="BOOL",
        help="require HTTPS with a valid certificate of it (default: true)",
    )


def _text(text: str) -> str:
    if not text or "\0" in text:
        msg = "expected a text"
        raise argparse.ArgumentTypeError(msg)
    return text


def _device(text: str) -> Device | None:
    return None if text == NO_DEVICE else parse_device(text)


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else 0
    if not 1 <= port <= _HIGHEST_PORT:
        msg = f"a port from 1 to {_HIGHEST_PORT}"
        raise ValueError(msg)
    return port


def _shell_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as exc:
        msg = f"something a shell could split ({str(exc).lower()})"
        raise ValueError(msg) from exc
