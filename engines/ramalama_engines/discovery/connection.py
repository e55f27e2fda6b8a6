"""Connect to a container engine, and report where its address came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, assert_never

from ramalama_engines.discovery.candidates import candidates
from ramalama_engines.discovery.identify import identify, without_password
from ramalama_engines.discovery.lazy_imports import lazy_imports
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama_engines.discovery.locate import Candidate
    from ramalama_engines.engine import Engine
    from ramalama_engines.user import InvokingUser


@frozen()
class EngineChoice:
    """The kind of engine that the user requests, and where: "--engine", a variable, a file."""

    kind: EngineKind
    source: str

    @classmethod
    def parse(cls, name: str, *, source: str) -> Self:
        """Parse the name of an engine.

        Raises:
            EngineUnavailable: there is no such engine.
        """
        try:
            return cls(kind=EngineKind(name), source=source)
        except ValueError:
            known = " or ".join(EngineKind)
            msg = f"{source} requests the engine {name!r}, which must be {known}"
            raise EngineUnavailable(msg) from None


@frozen()
class Connection:
    """An engine that answered, and the candidate that it was found by."""

    engine: Engine
    candidate: Candidate


def connect(user: InvokingUser, *, choice: EngineChoice | None = None) -> Connection:
    """Open the first engine that answers; see `candidates` for the order.

    Raises:
        EngineUnavailable: no engine answers, or not the one that the user named. The message says
            what was tried, why it failed and how to start an engine.
    """
    failures: list[str] = []
    for candidate in candidates(user, kind=choice.kind if choice else None):
        url = without_password(candidate.url)
        try:
            kind = _identify_chosen(candidate, choice)
        except EngineUnavailable as exc:
            if candidate.explicit:
                msg = f"{candidate.source} says {url}: {exc}"
                raise EngineUnavailable(msg) from exc
            failures.append(f"\n  {url}: {exc}")
        else:
            return Connection(engine=open_engine(kind, candidate.url), candidate=candidate)
    raise EngineUnavailable(_none_found(user, choice, failures))


def open_engine(kind: EngineKind, url: str) -> Engine:
    """Return the adapter for the API of *kind*, without sending a request."""
    # Importing an SDK takes a tenth of a second, so only the one that is needed is imported.
    with lazy_imports():
        match kind:
            case EngineKind.PODMAN:
                from ramalama_engines.podman.engine import PodmanEngine  # noqa: PLC0415

                return PodmanEngine(url)
            case EngineKind.DOCKER:
                from ramalama_engines.docker.engine import DockerEngine  # noqa: PLC0415

                return DockerEngine(url)
            case _:
                assert_never(kind)


def _identify_chosen(candidate: Candidate, choice: EngineChoice | None) -> EngineKind:
    """Return the kind of engine that answers at the address; reject one that was not chosen."""
    kind = identify(candidate.url)
    if choice and kind is not choice.kind:
        msg = f"{kind} answers there, but {choice.source} requests {choice.kind}"
        raise EngineUnavailable(msg)
    return kind


def _none_found(user: InvokingUser, choice: EngineChoice | None, failures: Sequence[str]) -> str:
    from ramalama_engines.discovery.remedy import how_to_start  # noqa: PLC0415 (only here)

    kind = choice.kind if choice else None
    asked = f"no {kind} answers, but {choice.source} requests it" if choice else "no engine answers"
    advice = how_to_start(user, kind)
    return f"{asked}; tried these sockets:{''.join(failures)}\nStart one with: {advice}"
