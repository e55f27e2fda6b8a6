"""Connect to a container engine, and report where its address came from."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, assert_never

from ramalama_engines.address import EngineAddress, parse_url
from ramalama_engines.discovery.candidates import candidates
from ramalama_engines.discovery.identify import NotListening, identify
from ramalama_engines.discovery.lazy_imports import lazy_imports
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_engines.rest.unix_route import UnixRoute
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ramalama_engines.discovery.locate import Candidate, EngineLocation
    from ramalama_engines.engine import Engine
    from ramalama_engines.route import Route
    from ramalama_engines.user import InvokingUser

_MACHINE_TIMEOUT = 2.0  # seconds; the virtual machine is on this host


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
class Attempt:
    """A candidate that was tried, and why its engine is not used; "" for the one that is."""

    candidate: Candidate
    failure: str


@frozen()
class Connection:
    """An engine that answered, and the candidate that it was found by."""

    engine: Engine
    candidate: Candidate


def connect(
    user: InvokingUser,
    *,
    choice: EngineChoice | None = None,
    location: EngineLocation | None = None,
    sockets: Callable[[], Path] | None = None,
    on_attempt: Callable[[Attempt], None] | None = None,
) -> Connection:
    """Open the first engine that answers; see `candidates` for the order.

    *location* is where the user says that it is, *sockets* is as in `open_route`, and *on_attempt*
    is called with each candidate that was tried.

    Raises:
        EngineUnavailable: no engine answers, or not the one that the user named. The message says
            what was tried, why it failed and how to start an engine.
    """
    failures: list[str] = []
    listed = candidates(user, kind=choice.kind if choice else None, location=location)
    for candidate in _readable(listed, failures):
        failure: EngineUnavailable | None = None
        engine = None
        try:
            engine = _open(candidate, choice, sockets)
        except EngineUnavailable as exc:
            failure = _explained(candidate, exc)
        if on_attempt is not None:
            on_attempt(Attempt(candidate=candidate, failure=str(failure) if failure else ""))
        if engine is not None:
            return Connection(engine=engine, candidate=candidate)
        if failure is not None and candidate.explicit:
            source = candidate.source.partition(";")[0]  # without a warning of `with_warning`
            msg = f"{source} says {candidate.url}: {failure.message}"
            raise EngineUnavailable(msg, hint=failure.hint) from failure
        failures.append(f"\n  {candidate.url}: {failure}")
    raise EngineUnavailable(_none_found(user, choice, failures))


def open_route(address: EngineAddress, *, sockets: Callable[[], Path] | None = None) -> Route:
    """Return the way to the engine at *address*, without sending a request.

    *sockets* returns the path of a directory for forwarded sockets, which is created when one is
    needed and removed at the end; None uses a new one among the temporary files.

    Raises:
        EngineUnavailable: the address is not valid. The message is only the reason.
    """
    scheme, _, rest = address.url.partition("://")
    match scheme:
        case "unix":
            return UnixRoute(rest)
        case "tcp":
            from ramalama_engines.rest.tls import TlsRoute  # noqa: PLC0415 (loads OpenSSL)

            return TlsRoute(address)
        case "ssh":
            from ramalama_engines.ssh.route import SshRoute  # noqa: PLC0415 (loads asyncssh)

            return SshRoute(address, sockets or _temporary_directory)
        case _:
            return _refuse(address.url)


def open_engine(
    kind: EngineKind, address: EngineAddress | str, *, sockets: Callable[[], Path] | None = None
) -> Engine:
    """Return the adapter for the API of *kind*, without sending a request.

    *address* may be only the URL. *sockets* is as in `open_route`.

    Raises:
        EngineUnavailable: the address is not valid.
    """
    if isinstance(address, str):
        address = EngineAddress(url=address)
    route = open_route(replace(address, kind=kind), sockets=sockets)
    return _adapter(kind, address.url, route)


def _readable(listed: Iterator[Candidate], failures: list[str]) -> Iterator[Candidate]:
    """Yield the candidates; if settings cannot be read after others have failed, end there."""
    try:
        yield from listed
    except EngineUnavailable as exc:
        if not failures:
            raise
        failures.append(f"\n  {exc}")


def _open(
    candidate: Candidate, choice: EngineChoice | None, sockets: Callable[[], Path] | None
) -> Engine:
    """Open the engine that answers at the address; reject one that was not chosen."""
    if candidate.refusal:
        raise EngineUnavailable(candidate.refusal)
    address = candidate.address
    if address.is_machine:
        _look_for_machine(address)
    if choice:
        address = replace(address, kind=choice.kind)
    with ExitStack() as undo:
        route = open_route(address, sockets=sockets)
        undo.callback(route.close)
        if route.ssh is not None:
            from ramalama_engines.discovery.preload import import_meanwhile  # noqa: PLC0415

            import_meanwhile(choice.kind if choice else candidate.kind, address.url)
        kind = identify(route)
        if choice and kind is not choice.kind:
            msg = f"{kind} answers there, but {choice.source} requests {choice.kind}"
            raise EngineUnavailable(msg)
        if candidate.kind not in (None, kind):
            msg = f"{kind} answers there, but this is an address of {candidate.kind}"
            raise EngineUnavailable(msg)
        engine = _adapter(kind, address.url, route)
        undo.pop_all()
        return engine


def _adapter(kind: EngineKind, url: str, route: Route) -> Engine:
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


def _look_for_machine(address: EngineAddress) -> None:
    """Check that a virtual machine of this host listens, before ssh is imported for it.

    Raises:
        NotListening: it does not.
    """
    import socket  # noqa: PLC0415 (few engines are in a machine)

    parts = parse_url(address.url)
    try:
        where = (parts.host, parts.port or 22)
        socket.create_connection(where, timeout=_MACHINE_TIMEOUT).close()
    except OSError:
        msg = "this virtual machine does not run"
        raise NotListening(msg) from None


def _explained(candidate: Candidate, failure: EngineUnavailable) -> EngineUnavailable:
    """Add the command that starts the engine, if it is not started and the command is known."""
    if not candidate.start or not isinstance(failure, NotListening):
        return failure
    return EngineUnavailable(failure.message, hint=f"start it with: {candidate.start}")


def _refuse(url: str) -> Route:
    try:
        scheme = parse_url(url).scheme
    except ValueError as exc:
        raise EngineUnavailable(str(exc)) from None
    raise AssertionError(scheme)  # `open_route` knows all that are valid


def _temporary_directory() -> Path:
    import secrets  # noqa: PLC0415 (both: only for a program that names no directory)
    import tempfile  # noqa: PLC0415

    return Path(tempfile.gettempdir()) / f"ramalama-{secrets.token_hex(8)}"


def _none_found(user: InvokingUser, choice: EngineChoice | None, failures: Sequence[str]) -> str:
    from ramalama_engines.discovery.remedy import how_to_start  # noqa: PLC0415 (only here)

    kind = choice.kind if choice else None
    asked = f"no {kind} answers, but {choice.source} requests it" if choice else "no engine answers"
    advice = how_to_start(user, kind)
    return f"{asked}; tried these addresses:{''.join(failures)}\nStart one with: {advice}"
