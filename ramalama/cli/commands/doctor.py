"""`ramalama doctor`: check from inside a container whether the accelerator can be used."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import ensure_no_dryrun, invoke, parser
from ramalama.cli.options.serve import ServeArguments, add_serve_options, join_dashed, serve_options
from ramalama.cli.output.start_progress import StartProgress
from ramalama.cli.signals import handled_signals
from ramalama.diagnostics.compare import describe
from ramalama.diagnostics.doctor import examine
from ramalama.models.reference.reference import ModelRef
from ramalama.serving.sides.side import HERE
from ramalama_engines import PullPolicy
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ramalama.api.client import Ramalama
    from ramalama.diagnostics.doctor import Diagnosis
    from ramalama.diagnostics.inspect_container import ContainerView
    from ramalama_engines import ContainerSpec

_PROBLEM_FOUND = 1  # exit code
_EPILOG = """\
The options are those of `ramalama run`, so that you can try a remedy: the container gets exactly
what `run` would give it. Here --pull defaults to never, whatever the settings say.

exit codes:
  0 no problem, 1 a problem was found, 22 and 125 as in ramalama-run(1)
"""


class DoctorArguments(ServeArguments):
    """The parsed arguments of `ramalama doctor`."""

    json: bool
    model = "/nothing.gguf"  # no model is opened


def execute(words: Sequence[str]) -> int:
    """Run `ramalama doctor` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(join_dashed(words), DoctorArguments())
    if ensure_no_dryrun(arguments, ["doctor"]):
        return 0
    invocation = invoke(arguments)
    config, environ = invocation.config, invocation.user.env
    options = serve_options(arguments, ModelRef.parse, config, environ, parallel=1)
    options = replace(options, draft=None, pull_policy=arguments.pull or PullPolicy.NEVER)
    progress = StartProgress(quiet=invocation.quiet)
    with handled_signals(), invocation.ramalama() as ramalama:
        try:
            diagnosis = examine(ramalama, options, on_event=progress.follow)
        finally:
            progress.clear()
        ramalama.remove_orphans()
        write = _json if arguments.json else _text
        sys.stdout.write(write(ramalama, diagnosis))
    return _PROBLEM_FOUND if diagnosis.problems else 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama doctor`."""
    result = parser("doctor", VERBS["doctor"].summary, epilog=_EPILOG)
    add_serve_options(result)
    result.add_argument("--json", action="store_true", help="print one JSON object")
    return result


def _json(ramalama: Ramalama, diagnosis: Diagnosis) -> str:
    spec = diagnosis.container
    report = {
        "Accelerator": {
            **dataclasses.asdict(diagnosis.detection.accelerator),
            "host": diagnosis.host,
        },
        "Findings": [dataclasses.asdict(finding) for finding in diagnosis.detection.findings],
        "Engine": {"Kind": str(ramalama.connect().kind), "Url": ramalama.connect().url},
        "Image": {"Name": spec.image, "LookedFrom": diagnosis.inspected_image},
        "Asked": {
            "Devices": [dataclasses.asdict(device) for device in spec.devices],
            "Groups": spec.groups,
            "KeepGroups": spec.keep_groups,
            "Network": spec.network,
            "OciRuntime": spec.oci_runtime,
            "Privileged": spec.privileged,
            "SelinuxOptions": spec.selinux_options,
            "User": spec.user,
        },
        "Seen": dataclasses.asdict(diagnosis.view) if diagnosis.view else None,
        "Problems": [dataclasses.asdict(problem) for problem in diagnosis.problems],
    }
    return json.dumps(report, indent=4, sort_keys=True) + "\n"


def _text(ramalama: Ramalama, diagnosis: Diagnosis) -> str:
    engine = ramalama.connect()
    rows = [
        ("Engine", f"{engine.kind} at {engine.url}"),
        ("Accelerator", _accelerator(diagnosis)),
        ("Image", _image(diagnosis)),
        *(("Asked for", line) for line in _asked(diagnosis.container)),
        *(("Seen", line) for line in _seen(diagnosis.view)),
    ]
    lines = [f"{name:12} {printable(text)}" for name, text in rows]
    for problem in diagnosis.problems:
        lines.append(f"Problem      {printable(problem.message)}")
        if problem.remedy:
            lines.append(f"  remedy     {printable(problem.remedy)}")
    if not diagnosis.problems:
        lines.append("No problem was found.")
    return "".join(f"{line}\n" for line in lines)


def _accelerator(diagnosis: Diagnosis) -> str:
    accelerator = diagnosis.detection.accelerator
    where = "" if diagnosis.host == HERE.name else f" (on {diagnosis.host})"
    return f"{accelerator.kind}: {accelerator.reason}{where}"


def _image(diagnosis: Diagnosis) -> str:
    wanted = diagnosis.container.image
    if diagnosis.inspected_image in (wanted, None):
        return wanted
    return f"{wanted} is not local; {diagnosis.inspected_image} was inspected instead"


def _asked(spec: ContainerSpec) -> Iterator[str]:
    devices = [dataclasses.asdict(device) for device in spec.devices]
    names = [str(device.get("name") or device["target"]) for device in devices]
    yield f"devices {', '.join(names) or 'none'}"
    groups = (*spec.groups, *(["those of the user"] if spec.keep_groups else []))
    yield f"user {spec.user}, groups {_list(groups)}"
    yield f"OCI runtime {spec.oci_runtime or 'the default'}, network {spec.network}"


def _seen(view: ContainerView | None) -> Iterator[str]:
    if view is None:
        yield "nothing: no container could be started"
        return
    for node in view.nodes or ():
        yield f"{node.path} ({describe(node)})"
    if not view.nodes:
        yield "no device" if view.nodes is not None else "devices: unknown"
    if view.capabilities is not None:
        yield f"user {view.uid}:{view.gid}, groups {_list(view.groups)}"
        yield f"capabilities {view.capabilities:#x}, network {_list(view.interfaces)}"
    yield f"SELinux {view.selinux_label or 'does not confine it'}"
    for name, value in (view.env or {}).items():
        yield f"{name}={value}"
    for program in view.missing_programs:
        yield f"the image has no `{program}`, so some of these values are unknown"


def _list(items: Sequence[object]) -> str:
    return ", ".join(map(str, items)) or "none"
