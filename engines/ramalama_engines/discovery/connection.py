"""Connect to a container engine, and report where its address came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, assert_never

from ramalama_engines.address import EngineAddress
from ramalama_engines.discovery.candidates import candidates
from ramalama_engines.discovery.identify import identify, without_password
from ramalama_engines.discovery.lazy_imports import lazy_imports
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_engines.rest.unix_route import UnixRoute
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama_engines.discovery.locate import Candidate
    from ramalama_engines.engine import Engine
    from ramalama_engines.route import Route
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
            route = open_route(candidate.address)
            kind = _identify_chosen(route, choice)
        except EngineUnavailable as exc:
            if candidate.explicit:
                msg = f"{candidate.source} says {url}: {exc}"
                raise EngineUnavailable(msg) from exc
            failures.append(f"\n  {url}: {exc}")
        else:
            engine = open_engine(kind, candidate.url, route=route)
            return Connection(engine=engine, candidate=candidate)
    raise EngineUnavailable(_none_found(user, choice, failures))


def open_route(address: EngineAddress) -> Route:
    """Return the way to the engine at *address*, without sending a request.

    Raises:
        EngineUnavailable: the address has an unsupported scheme. The message is only the reason.
    """
    scheme, _, rest = address.url.partition("://")
    match scheme:
        case "unix":
            return UnixRoute(rest)
        case "tcp":
            from ramalama_engines.rest.tls import TlsRoute  # noqa: PLC0415 (loads OpenSSL)

            return TlsRoute(address)
        case "ssh" | "http" | "https" | "npipe" | "fd":
            msg = f"{scheme}:// is not supported, this version supports only unix:// and tcp://"
        case _:
            msg = "this is not an engine's address, such as unix:///run/podman/podman.sock"
    raise EngineUnavailable(msg)


def open_engine(kind: EngineKind, url: str, *, route: Route | None = None) -> Engine:
    """Return the adapter for the API of *kind*, without sending a request.

    *route* is the way to it, which the engine closes; *url* must be ``unix://`` without one.
    """
    # Importing an SDK takes a tenth of a second, so only the one that is needed is imported.
    with lazy_imports():
        match kind:
            case EngineKind.PODMAN:
                from ramalama_engines.podman.engine import PodmanEngine  # noqa: PLC0415

                return PodmanEngine(url, route=route)
            case EngineKind.DOCKER:
                from ramalama_engines.docker.engine import DockerEngine  # noqa: PLC0415

                return DockerEngine(url, route=route)
            case _:
                assert_never(kind)


def _identify_chosen(route: Route, choice: EngineChoice | None) -> EngineKind:
    """Return the kind of engine at the end of *route*; close it if that one was not chosen."""
    try:
        kind = identify(route)
    except BaseException:
        route.close()
        raise
    if choice and kind is not choice.kind:
        route.close()
        msg = f"{kind} answers there, but {choice.source} requests {choice.kind}"
        raise EngineUnavailable(msg)
    return kind


def _none_found(user: InvokingUser, choice: EngineChoice | None, failures: Sequence[str]) -> str:
    from ramalama_engines.discovery.remedy import how_to_start  # noqa: PLC0415 (only here)

    kind = choice.kind if choice else None
    asked = f"no {kind} answers, but {choice.source} requests it" if choice else "no engine answers"
    advice = how_to_start(user, kind)
    return f"{asked}; tried these sockets:{''.join(failures)}\nStart one with: {advice}"
