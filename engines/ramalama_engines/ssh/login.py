"""Prove who the host and the user are: what asyncssh asks while it connects."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncssh

from ramalama_engines.ssh.asking import AskLater, Question
from ramalama_engines.ssh.patience import Pulse
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)

_TRIES: Final = 3  # for a passphrase or a password; `NumberOfPasswordPrompts`
# Those that the user has given to this process, by a file and the time of its last change: one key
# may open several hosts on the way.
_passphrases: Final[dict[tuple[Path, int], str]] = {}
_LONGEST: Final = 200  # characters of a prompt of the host


class Login(asyncssh.SSHClient):
    """One try to connect; it remembers why it failed.

    Attributes:
        name: the user and the host, for messages.
        accepted: the key of the host that the user trusts, though no file has it.
        stranger: the key of the host, if it is not one of those that are known.
        unasked: what the user could not be asked for: "a password".
        locked: files of keys whose passphrase is not known.
        pulse: the signs of life of the host.
        watch: the task that gives the connection up.
    """

    def __init__(self, name: str, ask: AskLater) -> None:
        self.name = name
        self.stranger: asyncssh.SSHKey | None = None
        self.unasked: list[str] = []
        self.locked: list[Path] = []
        self.accepted: asyncssh.SSHKey | None = None
        self._ask = ask
        self._loop = asyncio.get_running_loop()
        self.pulse = Pulse()
        self.watch: asyncio.Future[None] | None = None
        self._passwords = 0
        self._codes = 0
        self._opened: set[Path] = set()

    def load_keys(self, files: Sequence[Path]) -> Sequence[asyncssh.SSHKeyPair]:
        """Return the keys of *files*; a passphrase is asked for when the host accepts the key."""
        pairs: list[asyncssh.SSHKeyPair] = []
        for file in files:
            try:
                pairs += _load(file, self._passphrase)
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, TypeError) as exc:
                if _is_encrypted(file):
                    self.locked.append(file)
                else:
                    _log.debug("%s is no private key: %s", file, one_line(str(exc)))
            except OSError as exc:
                _log.debug("%s cannot be read: %s", file, exc)
        return pairs

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Begin to note signs of life."""
        self.pulse.feel(conn)

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Return whether the key may be trusted, though no file of known hosts has it."""
        del host, addr, port
        self.stranger = key
        return self.accepted is not None and key == self.accepted

    async def public_key_auth_requested(self) -> asyncssh.SSHKeyPair | None:
        """Return another key, after its passphrase was asked for."""
        for file in [each for each in self.locked if each not in self._opened]:
            self._opened.add(file)
            if (passphrase := await asyncio.to_thread(self._find_passphrase, file)) is not None:
                key = await asyncio.to_thread(asyncssh.read_private_key, file, passphrase)
                return asyncssh.load_keypairs([key])[0]
        return None

    async def password_auth_requested(self) -> str | None:
        """Return the user's password."""
        self._passwords += 1
        if self._passwords > _TRIES:
            return None
        return await self._asked(Question(f"{self.name}'s password: "), "a password")

    def kbdint_auth_requested(self) -> str | None:
        """Agree to questions of the host."""
        self._codes += 1
        return "" if self._codes <= _TRIES else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Return the user's answers to the host's questions."""
        del name, instructions, lang
        answers: list[str] = []
        for prompt, _ in prompts[:10]:
            shown = one_line(prompt, longest=_LONGEST)
            question = Question(f"({self.name}) {shown} ")
            answer = await self._asked(question, f"an answer to {shown!r}")
            if answer is None:
                return None
            answers.append(answer)
        return answers

    def _passphrase(self, filename: str) -> str:
        """Return the passphrase of a key that the host accepts; called in another thread."""
        file = Path(filename)
        if (passphrase := self._find_passphrase(file)) is not None:
            return passphrase
        self.locked.append(file)
        msg = "no passphrase"
        raise asyncssh.KeyImportError(msg)

    def _find_passphrase(self, file: Path) -> str | None:
        """Return the passphrase that was given before, or ask for it; called in another thread."""
        try:
            version = (file, file.stat().st_mtime_ns)
        except OSError:
            return None
        if (given := _passphrases.get(version)) is not None:
            return given
        for _ in range(_TRIES):
            asked = asyncio.run_coroutine_threadsafe(self._asked(_passphrase_of(file)), self._loop)
            answer = asked.result()
            if answer is None:
                break
            if _fits(answer, file):
                _passphrases[version] = answer
                return answer
        return None

    async def _asked(self, question: Question, what: str = "") -> str | None:
        self.pulse.is_paused = True
        try:
            answer = await self._ask(question)
        finally:
            self.pulse.is_paused = False
        if answer is None and what:
            self.unasked.append(what)
        return answer


def _load(file: Path, passphrase: Callable[[str], str]) -> Sequence[asyncssh.SSHKeyPair]:
    """Read a key, with its certificate if there is one.

    As ssh does, without a proof that the factors of an RSA key are primes: 110 ms for 3072 bits,
    250 ms for 4096. The file is the user's.
    """
    return asyncssh.load_keypairs(
        [str(file)],
        passphrase,  # type: ignore[arg-type]
        unsafe_skip_rsa_key_validation=True,
    )


def _fits(passphrase: str, file: Path) -> bool:
    try:
        asyncssh.read_private_key(file, passphrase)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, OSError):
        return False
    return True


def _passphrase_of(file: Path) -> Question:
    return Question(f"Enter passphrase for key '{file}': ")


def _is_encrypted(file: Path) -> bool:
    try:
        asyncssh.read_private_key(file)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as exc:
        return str(exc).startswith("Passphrase")
    except OSError:
        pass
    return False
