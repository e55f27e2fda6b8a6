"""The keywords of a start, for type checkers; not used at run time.

`ServerKeywords` repeats the fields of `ServeOptions`, and `StartKeywords` those of `StartRequest`,
because no type can be made from the fields of a dataclass. Tests compare them with these classes,
and `ServeOptions` with the table of options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ramalama.config.api_name import ApiName
    from ramalama.config.words import ApiWord, PullWord, RuntimeWord
    from ramalama.events import EventHook
    from ramalama.models.options import FormatWord, ModelFormat
    from ramalama.models.reference.reference import ModelRef
    from ramalama.serving.restarts import Restarts
    from ramalama_accel.runtime_name import RuntimeName
    from ramalama_engines.kinds import PullPolicy
    from ramalama_engines.spec import Device


class StartKeywords(TypedDict, total=False):
    """How a server is started; see `Ramalama.start`."""

    reuse: bool
    keep_alive: float | None
    ready_timeout: float | None
    on_event: EventHook
    cancel: threading.Event | None
    restart: Restarts | None


class ServerKeywords(TypedDict, total=False):
    """The options of the server; see `ServeOptions`."""

    draft: str | Path | ModelRef | None
    runtime: RuntimeName | RuntimeWord
    ctx_size: int | None
    ngl: int
    threads: int | None
    temp: float | None
    seed: int | None
    parallel: int | None
    api: ApiName | ApiWord
    runtime_args: Sequence[str]
    image: str | None
    stack_image: str | None
    pull_policy: PullPolicy | PullWord
    network: str
    port: int | None
    host: str
    api_key: str | None
    name: str | None
    env: Mapping[str, str]
    devices: Sequence[Device] | None
    memory: int | None
    privileged: bool
    keep_groups: bool
    selinux: bool
    oci_runtime: str | None
    authfile: str | Path | None
    tls_verify: bool
    embeddings: bool
    force: bool
    rag: str | Path | None


class ServeKeywords(StartKeywords, ServerKeywords, total=False):
    """All keywords of `ramalama.serve`."""


class PullKeywords(TypedDict, total=False):
    """All keywords of `ramalama.pull`; see `PullOptions` and `Ramalama.start`."""

    wanted: ModelFormat | FormatWord
    authfile: str | Path | None
    tls_verify: bool
    offline: bool
    on_event: EventHook
    cancel: threading.Event | None
