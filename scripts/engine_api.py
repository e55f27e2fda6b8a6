#!/usr/bin/env python3
"""The few container engine calls that set-up needs, before anything is installed.

Standard library only, so that it runs with the system's Python; it speaks the API that Podman
and Docker share, so that neither command-line client has to be there.

    engine_api.py has    URL IMAGE                    exit 0 when the image is there, else 1
    engine_api.py pull   URL IMAGE                    fetch it from its registry
    engine_api.py import URL IMAGE ROOTFS.TAR         make an image of a root file system
    engine_api.py build  URL IMAGE DIRECTORY [BASE]   build DIRECTORY/Containerfile
    engine_api.py remove URL IMAGE                    take the image, and build leftovers, away
"""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A registry that is there says something within seconds; a step of a build may be silent for long.
PULL_SILENCE: Final = 20.0
BUILD_SILENCE: Final = 900.0
ANSWER: Final = 10.0

PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy")


class SetupError(Exception):
    """What cannot be done, in a line for the user."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """One engine behind a ``unix://`` URL."""

    def __init__(self, url: str) -> None:
        scheme, _, path = url.partition("://")
        if scheme != "unix":
            msg = f"{url}: set-up works with an engine on this machine, behind a unix:// URL"
            raise SetupError(msg)
        self._path = path

    def has(self, image: str) -> bool:
        """Whether *image* is in the engine's storage."""
        answer = self._request("GET", f"/images/{quote(image)}/json", timeout=ANSWER)
        return answer.status == http.client.OK

    def pull(self, image: str) -> None:
        """Fetch *image*, giving up on a registry that stays silent."""
        repository, _, tag = image.rpartition(":")
        query = {"fromImage": repository, "tag": tag}
        self._follow("/images/create", query, timeout=PULL_SILENCE)

    def import_rootfs(self, image: str, tar: Path) -> None:
        """Make *image*, which is named without a tag, of the root file system in *tar*."""
        query = {"fromSrc": "-", "repo": image, "tag": "latest"}
        with tar.open("rb") as body:
            self._follow("/images/create", query, body=body, timeout=BUILD_SILENCE)

    def build(self, image: str, directory: Path, arguments: Mapping[str, str]) -> None:
        """Build *image* from *directory*, on the host's network: some kernels allow no other."""
        query = {
            "t": image,
            "dockerfile": "Containerfile",
            "networkmode": "host",
            "forcerm": "true",
            "layers": "false",
            "buildargs": json.dumps(arguments),
        }
        with packed(directory) as body:
            self._follow("/build", query, body=body, timeout=BUILD_SILENCE)

    def remove(self, image: str) -> None:
        """Remove *image*, and the stages that a build from it left without a name."""
        filters = json.dumps({"dangling": ["true"], "label": ["ai.ramalama.stage"]})
        self._request("POST", f"/images/prune?{urlencode({'filters': filters})}", timeout=60)
        self._request("DELETE", f"/images/{quote(image)}", timeout=60)

    def _follow(
        self, path: str, query: Mapping[str, str], *, body: BinaryIO | None = None, timeout: float
    ) -> None:
        """Post, and copy the answer's messages to stderr until its end or its first error."""
        answer = self._request("POST", f"{path}?{urlencode(query)}", body=body, timeout=timeout)
        refused = answer.status != http.client.OK
        for line in answer:
            message = json.loads(line)
            # The one is an error in the stream, the other all there is to a refused request.
            if error := message.get("error") or (refused and message.get("message")):
                raise SetupError(str(error).strip())
            sys.stderr.write(message.get("stream") or "")
        if refused:
            msg = f"the engine answers {answer.status} {answer.reason}"
            raise SetupError(msg)

    def _request(
        self, method: str, url: str, *, body: BinaryIO | None = None, timeout: float
    ) -> http.client.HTTPResponse:
        connection = UnixConnection(self._path, timeout)
        headers = {"Content-Type": "application/x-tar"} if body else {}
        connection.request(method, url, body=body, headers=headers, encode_chunked=True)
        return connection.getresponse()


def packed(directory: Path) -> BinaryIO:
    """Pack *directory* as a build context."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        tar.add(directory, arcname=".")
    context.seek(0)
    return context


def build(url: str, image: str, directory: str, base: str = "") -> None:
    """Build with what the environment says of proxies."""
    arguments = {name: os.environ[name] for name in PROXIES if name in os.environ}
    if base:
        arguments["BASE"] = base
    Engine(url).build(image, Path(directory), arguments)


def has(url: str, image: str) -> None:
    """Fail unless the image is there."""
    if not Engine(url).has(image):
        msg = f"{image} is not there"
        raise SetupError(msg)


def pull(url: str, image: str) -> None:
    """Fetch the image."""
    Engine(url).pull(image)


def import_rootfs(url: str, image: str, tar: str) -> None:
    """Import the root file system."""
    Engine(url).import_rootfs(image, Path(tar))


def remove(url: str, image: str) -> None:
    """Remove the image."""
    Engine(url).remove(image)


def main() -> None:
    """Run the command that the arguments name; exit 1 with one line when it fails."""
    commands: Mapping[str, Callable[..., None]] = {
        "has": has,
        "pull": pull,
        "import": import_rootfs,
        "build": build,
        "remove": remove,
    }
    command, *arguments = sys.argv[1:] or ["help"]
    if command not in commands:
        sys.exit(__doc__)
    try:
        commands[command](*arguments)
    except (SetupError, OSError, http.client.HTTPException) as error:
        sys.exit(f"engine_api: {error}")


if __name__ == "__main__":
    main()
