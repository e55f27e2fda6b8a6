"""Each test imports asyncssh in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LIGHT = "import ramalama_engines.ssh\n"
ORDINARY = "import asyncssh\n"

# Print what each name of each module is, and what was run.
DESCRIBE = """
import asyncssh, asyncssh.kex, asyncssh.mac, json, sys, types
def describe(value):
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, (bool, int, str, bytes, types.NoneType)):
        return repr(value)
    return [getattr(value, "__module__", ""), getattr(value, "__qualname__", str(type(value)))]
modules = {each: module for each, module in sys.modules.items() if each.startswith("asyncssh")}
names = {each: {name: describe(value) for name, value in vars(module).items()
                if not name.startswith("__")}
         for each, module in modules.items()}
algorithms = [asyncssh.kex.get_kex_algs(), asyncssh.mac.get_mac_algs(),
              asyncssh.encryption.get_encryption_algs(),
              asyncssh.public_key.get_public_key_algs(),
              asyncssh.public_key.get_certificate_algs(),
              asyncssh.public_key.get_x509_certificate_algs()]
print(json.dumps({"names": names, "algorithms": [[each.decode() for each in kind]
                                                 for kind in algorithms]}))
"""
AUDIT = """
import sys
def hook(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn", "os.system"):
        print(event, arguments[0])
sys.addaudithook(hook)
"""


def run(program: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_every_name_and_every_algorithm_is_there_and_the_same() -> None:
    ordinary = json.loads(run(ORDINARY + DESCRIBE))
    light = json.loads(run(LIGHT + DESCRIBE))

    assert "SSHClientConnection" in ordinary["names"]["asyncssh"]
    assert light == ordinary


def test_nothing_is_run() -> None:
    assert "ldconfig" in run(AUDIT + ORDINARY)
    assert run(AUDIT + LIGHT) == ""


@pytest.mark.parametrize("module", ["cryptography.x509", "cryptography.x509.extensions"])
def test_what_only_x509_needs_is_not_loaded(module: str) -> None:
    asked = f"import sys; print({module!r} in sys.modules)"

    assert run(ORDINARY + asked) == "True\n"
    assert run(LIGHT + asked) == "False\n"


def test_x509_is_there_where_pyopenssl_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    package = tmp_path_factory.mktemp("site") / "OpenSSL"
    package.mkdir()
    (package / "__init__.py").write_text("crypto = None\n")
    with_it = f"import sys; sys.path.append({str(package.parent)!r})\n"
    asked = "import asyncssh.public_key; print(asyncssh.public_key._x509_available)"

    assert run(with_it + LIGHT + asked) == "True\n"
    assert run(LIGHT + asked) == "False\n"


def test_what_asyncssh_lacks_it_lacks_as_before() -> None:
    run(
        f"""{LIGHT}
import ctypes.util, sys
assert ctypes.util.find_library.__module__ == "ctypes.util"
assert "asyncssh.crypto.x509" not in sys.modules
try:
    import asyncssh.crypto.x509
except ModuleNotFoundError as exc:
    assert exc.name == "OpenSSL", exc
"""
    )


def test_an_application_that_has_imported_asyncssh_keeps_its_own() -> None:
    run(f"import asyncssh\nclient = asyncssh.SSHClient\n{LIGHT}assert asyncssh.SSHClient is client")


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("check('ssh-rsa')", id="rsa"),
        pytest.param("check('ssh-ed25519')", id="ed25519"),
        pytest.param("check('ecdsa-sha2-nistp256')", id="ecdsa"),
        pytest.param("check('ssh-ed25519', passphrase='open sesame')", id="encrypted"),
        pytest.param(
            "check('ssh-rsa', passphrase='open sesame', format_name='pkcs8-pem')",
            id="encrypted-for-openssl",
        ),
        pytest.param(
            "authority, key = make('ssh-ed25519'), make('ssh-rsa')\n"
            "text = authority.generate_user_certificate(key, 'me').export_certificate()\n"
            "assert asyncssh.import_certificate(text).key == key.convert_to_public()",
            id="certificate",
        ),
        pytest.param(
            "import asyncio\n"
            "async def ask():\n"
            "    async with asyncssh.connect_agent() as agent: return await agent.get_keys()\n"
            "try: asyncio.run(ask())\n"
            "except OSError: pass",
            id="agent",
        ),
    ],
)
def test_keys_of_each_kind_are_read(program: str) -> None:
    run(
        f"""{LIGHT}
import asyncssh
make = asyncssh.generate_private_key
def check(kind, passphrase=None, format_name="openssh"):
    key = make(kind)
    text = key.export_private_key(format_name, passphrase)
    read = asyncssh.import_private_key(text, passphrase)
    signature = read.sign(b"x", read.sig_algorithms[0])
    assert read == key and key.convert_to_public().verify(b"x", signature)
{program}
"""
    )
