"""`ramalama login`: check the credentials for a registry, and store them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
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
    """The parsed arguments of `ramalama login`."""

    password: str | None
    password_stdin: bool
    registry: str | None
    token: str | None
    username: str | None


def execute(words: Sequence[str]) -> int:
    """Run `ramalama login` with the arguments *words*, and return the exit code."""
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
    """Make the parser of `ramalama login`."""
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
    """Return what is missing or wrong in the combination of arguments; None if it is valid."""
    if not arguments.registry:
        return "REGISTRY is missing; for example: `ramalama login quay.io`"
    to_hub = names_huggingface(arguments.registry)
    if arguments.token is not None and not to_hub:
        return f"--token is only for huggingface; for {arguments.registry}, use --username"
    if to_hub and (arguments.username is not None or arguments.password is not None):
        return "huggingface requires a token; use --token, --password-stdin or the prompt"
    return None


def _login_to_registry(arguments: LoginArguments, invocation: Invocation) -> str:
    registry = RegistryName.parse(arguments.registry or "")
    username = arguments.username
    if arguments.password_stdin and not username:
        msg = "--password-stdin requires --username"
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
        print_error("Warning: HF_TOKEN is set and takes precedence over the token of this login")
    return f"Hugging Face{f' as {name}' if name else ''} ({file})"


def _secret(
    arguments: LoginArguments, given: str | None, prompt: str, invocation: Invocation
) -> str:
    """Return the secret from the option, from standard input or from the terminal."""
    if given is not None:
        option = "--token" if given is arguments.token else "--password"
        warn_of_argument(option, quiet=invocation.quiet)
        return given
    return read_secret() if arguments.password_stdin else ask_secret(prompt)
