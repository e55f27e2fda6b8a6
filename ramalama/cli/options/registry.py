"""The options that say how an OCI registry is reached."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.cli.invocation import GlobalArguments, add_group
from ramalama.config.option_spec import Group

if TYPE_CHECKING:
    import argparse
    import ssl
    from collections.abc import Generator
    from pathlib import Path

    import httpx2

    from ramalama.cli.invocation import Invocation
    from ramalama.config.config import Config
    from ramalama.models.transports.oci.client.registry import Access


class RegistryArguments(GlobalArguments):
    """What the parser fills in; None where the settings decide."""

    authfile: Path | None
    tls_verify: bool | None

    def verifies(self, config: Config) -> bool:
        """Whether HTTPS with a valid certificate is required."""
        return config.tls_verify if self.tls_verify is None else self.tls_verify


def add_registry_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that podman's commands for registries have, too."""
    add_group(parser, Group.REGISTRY)


@contextmanager
def open_access(arguments: RegistryArguments, invocation: Invocation) -> Generator[Access]:
    """Lend the way to registries for the length of a block, whose end closes all connections."""
    # Who only reads the options needs none of this.
    from ramalama.models.http.client import open_http  # noqa: PLC0415
    from ramalama.models.transports.oci.client.registry import Access  # noqa: PLC0415

    with ExitStack() as clients:

        def open_and_keep(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
            return clients.enter_context(open_http(verify=verify))

        yield Access(
            open_http=open_and_keep,
            user=invocation.user,
            tls_verify=arguments.verifies(invocation.config),
            authfile=arguments.authfile,
        )
