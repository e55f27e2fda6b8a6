"""An OCI registry on loopback that lies, redirects and refuses as a test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.doubles.oci_models import digest
from tests.doubles.server import Reply, Request, Route, serve_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doubles.oci_models import Model
    from tests.doubles.server import FileServer


def publish(server: FileServer, repository: str, tag: str, model: Model) -> str:
    """Let *server* have *model*, under a tag and its digest; return the latter."""
    name = digest(model.manifest)
    route = always(Reply(body=model.manifest, headers={"content-type": model.type}))
    for version in (tag, name):
        server.routes[f"/v2/{repository}/manifests/{version}"] = route
    for blob in model.blobs:
        server.routes[f"/v2/{repository}/blobs/{digest(blob)}"] = serve_bytes(blob)
    return name


def always(reply: Reply) -> Route:
    """Make a route that gives one answer."""
    return lambda _request: reply


def redirect_to_another_host(server: FileServer) -> None:
    """Let *server* have all that it has at another host, which must not be told secrets."""
    for path, route in list(server.routes.items()):
        server.routes[f"/cdn{path}"] = route
        server.routes[path] = always(Reply.redirect(f"{server.other_url}/cdn{path}", status=307))


def demand(server: FileServer, challenge: str, *, accept: Callable[[str], bool]) -> None:
    """Let *server* refuse requests whose Authorization, "" if there is none, is not accepted."""

    def run_guarded(route: Route) -> Route:
        def answer(request: Request) -> Reply:
            if accept(request.headers.get("authorization", "")):
                return route(request)
            return Reply.of_json(
                {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]},
                status=401,
                www_authenticate=challenge,
            )

        return answer

    for path, route in list(server.routes.items()):
        if path.startswith("/v2/"):
            server.routes[path] = run_guarded(route)
