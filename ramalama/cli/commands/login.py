"""`ramalama login`: tell a registry who we are, and remember it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.cli.commands_table import VERBS
from ramalama.cli.exit_codes import USAGE
from ramalama.cli.invocation import ensure_no_dryrun, invoke, parser
from ramalama.cli.options.registry import RegistryArguments, add_registry_options, open_access
from ramalama.cli.output.terminal import print_error
from ramalama.cli.passwords import ask_name, ask_secret, read_secret, warn_of_argument
from ramalama.errors import OptionRefused
from ramalama.models.auth.huggingface import check_token, store_token
from ramalama.models.auth.registry import RegistryName, login, names_huggingface
from ramalama.models.http.client import open_http

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ramalama.cli.invocation import Invocation

_EPILOG = """\
examples:
  ramalama login quay.io                                  asks for user and password
  ramalama login -u me --password-stdin ghcr.io <FILE     for scripts
  ramalama login --tls-verify=false localhost:5000
  ramalama login huggingface                              asks for a token

Logins are shared with podman, skopeo and the clients of Hugging Face.
"""


class LoginArguments(RegistryArguments):
    """What the parser fills in."""

    password: str | None
    password_stdin: bool
    registry: str | None
    token: str | None
    username: str | None


def execute(words: Sequence[str]) -> int:
    """Parse *words* and do it."""
    arguments = make_parser().parse_args(words, LoginArguments())
    if complaint := _misuse(arguments):
        print_error(f"Error: {complaint}")
        return USAGE
    registry = arguments.registry or ""
    if ensure_no_dryrun(arguments, ["login", registry]):
        return 0
    invocation = invoke(arguments)
    to_hub = names_huggingface(registry)
    log_in = _login_to_huggingface if to_hub else _login_to_registry
    where = log_in(arguments, invocation)
    if not invocation.quiet:
        print_error(f"Logged in to {where}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's words."""
    result = parser("login", VERBS["login"].summary, epilog=_EPILOG)
    result.add_argument(
        "registry",
        metavar="REGISTRY",
        nargs="?",
        help="quay.io, docker.io, quay.io/TEAM, localhost:5000, …; or huggingface",
    )
    result.add_argument("-u", "--username", metavar="NAME", help="your name at the registry")
    secret = result.add_mutually_exclusive_group()
    secret.add_argument(
        "-p", "--password", help="insecure: other users of this machine can read it"
    )
    secret.add_argument(
        "--password-stdin", action="store_true", help="read password or token from standard input"
    )
    secret.add_argument("--token", help="token of Hugging Face; insecure, as --password")
    add_registry_options(result)
    return result


def _misuse(arguments: LoginArguments) -> str | None:
    """Say what is missing or does not go together."""
    if not arguments.registry:
        return "which registry? `ramalama login quay.io`, `ramalama login huggingface`"
    to_hub = names_huggingface(arguments.registry)
    if arguments.token is not None and not to_hub:
        return f"--token is for huggingface; {arguments.registry} takes --username and a password"
    if to_hub and (arguments.username is not None or arguments.password is not None):
        return "huggingface takes a token: --token, --password-stdin, or at the terminal"
    return None


def _login_to_registry(arguments: LoginArguments, invocation: Invocation) -> str:
    registry = RegistryName.parse(arguments.registry or "")
    username = arguments.username
    if arguments.password_stdin and not username:
        msg = "--password-stdin takes --username"
        raise OptionRefused(msg)
    username = username or ask_name(f"User name for {registry.key}: ")
    password = _secret(arguments, arguments.password, "Password: ", invocation)
    with open_access(arguments, invocation) as access:
        file = login(registry, username, password, access=access)
    return f"{registry.key} as {username} ({file})"


def _login_to_huggingface(arguments: LoginArguments, invocation: Invocation) -> str:
    token = _secret(arguments, arguments.token, "Token: ", invocation).strip()
    with open_http() as client:
        name = check_token(token, invocation.user, client)
    file = store_token(token, invocation.user)
    if invocation.user.env.get("HF_TOKEN") and not invocation.quiet:
        print_error("Warning: HF_TOKEN is set, which is used before the token of this login")
    return f"Hugging Face{f' as {name}' if name else ''} ({file})"


def _secret(
    arguments: LoginArguments, given: str | None, prompt: str, invocation: Invocation
) -> str:
    """Return what was given in whatever way, or is now."""
    if given is not None:
        option = "--token" if given is arguments.token else "--password"
        warn_of_argument(option, quiet=invocation.quiet)
        return given
    return read_secret() if arguments.password_stdin else ask_secret(prompt)
