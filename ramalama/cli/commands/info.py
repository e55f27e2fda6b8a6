"""`ramalama info`: print engine, accelerator and settings, and why they were chosen."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

from ramalama._version import __version__
from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import GlobalArguments, add_option, ensure_no_dryrun, invoke, parser
from ramalama.config.config import config_files
from ramalama.config.option_table import OPTIONS
from ramalama.errors import EngineFailure, engine_errors
from ramalama.serving.images import describe_stand_in, name_of_image
from ramalama.system.resources import default_threads, usable_cores
from ramalama_accel.runtime_name import RuntimeName
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ramalama.api.client import Ramalama
    from ramalama.config.config import Config
    from ramalama.models.reference.shortnames import Shortnames
    from ramalama.serving.accelerator import FoundAccelerators
    from ramalama_engines.discovery.podman_machine import PodmanMachine

_NOT_SETTINGS = frozenset({"sources", "warnings"})


class InfoArguments(GlobalArguments):
    """The parsed arguments of `ramalama info`."""

    json: bool
    runtime: RuntimeName | None
    shortnames: bool


def execute(words: Sequence[str]) -> int:
    """Run `ramalama info` with the arguments *words*, and return the exit code.

    It prints one JSON object. If no engine answers, the object holds the error.
    """
    arguments = make_parser().parse_args(words, InfoArguments())
    if ensure_no_dryrun(arguments, ["info"]):
        return 0
    invocation = invoke(arguments)
    if arguments.shortnames:
        sys.stdout.write("".join(_lines(invocation.models().shortnames())))
        return 0
    with invocation.ramalama() as ramalama:
        found = ramalama.engine_accelerators()
        kind, runtime = (
            found.detection.accelerator.kind,
            arguments.runtime or invocation.config.runtime,
        )
        image = name_of_image(invocation.config, None, kind, runtime)
        report = {
            "Accelerator": _accelerator(found),
            "Config": _settings(invocation.config),
            "ConfigFiles": [
                str(file)
                for file in config_files(invocation.user.env, invocation.user.home)
                if file.exists()
            ],
            "Cores": {"Usable": usable_cores(), "DefaultThreads": default_threads()},
            "Engine": _engine(ramalama),
            "Image": image,
            "ImageNote": describe_stand_in(image, kind, runtime),
            "Memory": {"Available": ramalama.memory_capacity().main},
            "Runtimes": {"Available": sorted(RuntimeName), "Default": invocation.config.runtime},
            "Shortnames": _shortnames(ramalama.models.shortnames()),
            "Store": str(ramalama.models.store.base),
            "Version": __version__,
        }
    json.dump(report, sys.stdout, indent=4, sort_keys=True, default=str)
    sys.stdout.write("\n")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama info`."""
    result = parser("info", VERBS["info"].summary)
    result.add_argument("--json", action="store_true", help="print JSON (the default)")
    add_option(
        result,
        OPTIONS["runtime"],
        words="show the image of this inference server (default: the server in the settings)",
    )
    result.add_argument(
        "--shortnames", action="store_true", help="print only the short names, one per line"
    )
    return result


def _lines(shortnames: Shortnames) -> Iterator[str]:
    for entry in shortnames.entries.values():
        yield printable(f"{entry.name}={entry.target} ({entry.source})") + "\n"


def _shortnames(shortnames: Shortnames) -> dict[str, object]:
    return {
        "Files": [str(file) for file in shortnames.files],
        "Names": {entry.name: entry.target for entry in shortnames.entries.values()},
        "Warnings": shortnames.warnings,
    }


def _engine(ramalama: Ramalama) -> dict[str, object]:
    try:
        with engine_errors():
            info = ramalama.connect().info
            ramalama.remove_orphans()
    except EngineFailure as exc:
        failure = {"Error": str(exc), "Message": exc.message, "Hint": exc.hint}
        return {**failure, "Tried": _tried(ramalama)}
    facts = {field.name: getattr(info, field.name) for field in dataclasses.fields(info)}
    machine = {} if ramalama.machine is None else {"Machine": _machine(ramalama.machine)}
    return {"Why": ramalama.engine_source, "Tried": _tried(ramalama), **machine, **facts}


def _machine(machine: PodmanMachine) -> dict[str, object]:
    """Return the virtual machine in which the engine runs, and what it sees of this host."""
    mounts = [dataclasses.asdict(mount) for mount in machine.mounts]
    return {"Name": machine.name, "Provider": machine.provider, "Mounts": mounts}


def _tried(ramalama: Ramalama) -> list[dict[str, object]]:
    """Return the addresses that were tried, in this order; the last one may be the engine's."""
    return [
        {
            "Url": attempt.candidate.url,
            "Why": attempt.candidate.source,
            "Failure": attempt.failure or None,
        }
        for attempt in ramalama.engine_attempts
    ]


def _accelerator(found: FoundAccelerators) -> dict[str, object]:
    detection = found.detection
    report = dataclasses.asdict(detection.accelerator)
    report["host"] = found.host
    report["unknown"] = found.unknown or None
    report["findings"] = [dataclasses.asdict(finding) for finding in detection.findings]
    if detection.invalid is not None:
        report["error"] = str(detection.invalid)
    return report


def _settings(config: Config) -> dict[str, object]:
    settings = {
        field.name: {"value": getattr(config, field.name), "source": config.source(field.name)}
        for field in dataclasses.fields(config)
        if field.name not in _NOT_SETTINGS
    }
    # The values of variables and of tool servers may be secrets, so only their names are printed.
    settings["env"]["value"] = [item.partition("=")[0] for item in config.env]
    settings["mcp"]["value"] = sorted(config.mcp)
    return dict(settings)
