"""The settings of this host and user, and where each came from.

Files are TOML with a table ``[ramalama]``; later ones win, and after each file the ``*.conf`` of
the directory of its name with ``.d``:

    /usr/share/ramalama/ramalama.conf
    /usr/local/share/ramalama/ramalama.conf
    /etc/ramalama/ramalama.conf
    $XDG_CONFIG_HOME/ramalama/ramalama.conf     ~/.config without the variable

`RAMALAMA_CONFIG` names a file to read instead of all of them. Over the files goes the
environment, ``RAMALAMA_`` and the key in capitals; over that, the command line.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.errors import ConfigError
from ramalama_engines.values import EngineKind, PullPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

DEFAULT = "default"
_ENVIRONMENT = "the environment"
_TRUE = frozenset({"1", "true", "on", "yes", "y"})
_FALSE = frozenset({"0", "false", "off", "no", "n"})

# Keys of upstream's files that this version has no use for (yet): no reason to complain.
_FOREIGN = frozenset(
    # As words, since a row each would be a page.
    """api api_key backend cache_reuse carimage container convert_type default_image
    default_pi_image default_rag_image default_stack_image default_tools_image dryrun
    gguf_quantization_mode host http_client log_level max_tokens ncmoe port provider pi_image
    rag_image runtime runtimes stack_image store summarize_after tempdir thinking tools_image
    tools_images transport user verify benchmarks""".split()  # noqa: SIM905 (see above)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings that hold for every call, as `Config.load` folds them; embedders build it by hand.

    Attributes:
        engine: "podman" or "docker"; None takes the first that answers.
        image: for every accelerator; None takes the accelerator's.
        images: per accelerator, by the variable that names it, ``CUDA_VISIBLE_DEVICES``.
        env: ``K=V`` or ``K`` for the container.
        prefix: of the chat's prompt; None is the seal, where the terminal can show it.
        sources: where each setting came from that is not the default, for messages.
        warnings: what the files say and nobody understands, a sentence each.
    """

    engine: EngineKind | None = None
    image: str | None = None
    images: Mapping[str, str] = field(default_factory=dict[str, str])
    pull: PullPolicy = PullPolicy.MISSING
    network: str = "none"
    oci_runtime: str | None = None
    selinux: bool = True
    keep_groups: bool = False
    tls_verify: bool = True
    env: tuple[str, ...] = ()
    ctx_size: int = 2048
    temp: float = 0.8
    threads: int | None = None
    ngl: int = -1
    prefix: str | None = None
    color: str = "auto"
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, env: Mapping[str, str], files: Sequence[Path]) -> Config:
        """Fold *files*, in this order, and then *env* over the defaults; absent files are none.

        Raises:
            ConfigError: a value makes no sense; the message names file or variable.
        """
        config = cls()
        for file in files:
            config = _with_settings(config, _read(file), str(file))
        # A variable that is set to nothing counts as unset.
        variables = {key: value for key in _READERS if (value := env.get(_variable(key)))}
        return _with_settings(config, variables, _ENVIRONMENT)

    def source(self, key: str) -> str:
        """Tell where the setting *key* came from."""
        return self.sources.get(key, DEFAULT)


def config_files(env: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """List the files to read, the most general first."""
    if named := env.get("RAMALAMA_CONFIG"):
        return (Path(named),)
    user = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    directories = (Path("/usr/share"), Path("/usr/local/share"), Path("/etc"), user)
    return tuple(_with_drop_ins(directories))


def _with_drop_ins(directories: Sequence[Path]) -> Iterator[Path]:
    for directory in directories:
        file = directory / "ramalama" / "ramalama.conf"
        yield file
        yield from sorted(file.with_name("ramalama.conf.d").glob("*.conf"))


def _read(file: Path) -> Mapping[str, object]:
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"cannot read {file}: {exc}"
        raise ConfigError(msg) from exc
    import tomllib  # noqa: PLC0415 (few users have a file)

    try:
        table: object = tomllib.loads(text).get("ramalama", {})
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        msg = f"{file} is not TOML: {exc}"
        raise ConfigError(msg) from exc
    if not isinstance(table, dict):
        msg = f"{file}: [ramalama] is not a table"
        raise ConfigError(msg)
    return {str(key): value for key, value in table.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (tomllib's dict is untyped)


def _with_settings(config: Config, settings: Mapping[str, object], source: str) -> Config:
    changes: dict[str, object] = {}
    warnings: list[str] = []
    for key, value in settings.items():
        if key in _READERS:
            try:
                changes[key] = _READERS[key](value)
            except ValueError as exc:
                msg = f"{_where(source, key)} is {value!r:.100}, which is not {exc}"
                raise ConfigError(msg) from exc
        elif key not in _FOREIGN:
            warnings.append(_unknown(key, source))
    return replace(
        config,
        **changes,  # type: ignore[arg-type]  # _READERS gives each field its own type
        sources={**config.sources, **{key: _where(source, key) for key in changes}},
        warnings=(*config.warnings, *warnings),
    )


def _where(source: str, key: str) -> str:
    return _variable(key) if source == _ENVIRONMENT else f"{key} in {source}"


def _variable(key: str) -> str:
    # The engine's has always had a name of its own.
    return "RAMALAMA_CONTAINER_ENGINE" if key == "engine" else f"RAMALAMA_{key.upper()}"


def _unknown(key: str, source: str) -> str:
    import difflib  # noqa: PLC0415 (only for who has mistyped)

    near = difflib.get_close_matches(key, _READERS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{source} has an unknown key {key!r}{hint}"


# A reader turns what a file or a variable holds into the setting's own type; the message of its
# ValueError says what the value should have been.


def parse_bool(value: object) -> bool:
    """Read true, 1, on, yes, y and their opposites, as every boolean option takes them."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        msg = "true or false"
        raise ValueError(msg)
    return word in _TRUE


def parse_ngl(value: object) -> int:
    """Read a number of layers, ``auto`` or ``all``."""
    words = {"auto": -1, "all": 999}
    if str(value) in words:
        return words[str(value)]
    return _whole(at_least=-1)(value)


def parse_temp(value: object) -> float:
    """Read a temperature."""
    import math  # noqa: PLC0415 (keeps the common import light)

    try:
        temp = float(str(value))
    except ValueError:
        temp = -1.0
    if not (math.isfinite(temp) and temp >= 0):
        msg = "a temperature of 0 or more"
        raise ValueError(msg)
    return temp


def _whole(*, at_least: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = at_least - 1
        if number < at_least:
            msg = f"a whole number of {at_least} or more"
            raise ValueError(msg)
        return number

    return read


parse_ctx_size = _whole(at_least=0)
parse_threads = _whole(at_least=1)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        msg = "a text"
        raise ValueError(msg)
    return value


def _member(words: type[EngineKind | PullPolicy]) -> Callable[[object], object]:
    def read(value: object) -> object:
        try:
            return words(str(value))
        except ValueError:
            msg = "one of " + ", ".join(words)
            raise ValueError(msg) from None

    return read


def _color(value: object) -> str:
    if value not in ("auto", "always", "never"):
        msg = "auto, always or never"
        raise ValueError(msg)
    return str(value)


def parse_env(value: object) -> str:
    """Read a variable for the container, ``NAME=VALUE`` or ``NAME``."""
    text = _text(value)
    if text.startswith("="):
        msg = "NAME or NAME=VALUE"
        raise ValueError(msg)
    return text


def _environment(value: object) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        msg = "a list of texts"
        raise ValueError(msg)  # noqa: TRY004 (a reader's one error)
    return tuple(parse_env(item) for item in items)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (tomllib's list is untyped)


def _table(value: object) -> Mapping[str, str]:
    if isinstance(value, str):
        import json  # noqa: PLC0415 (RAMALAMA_IMAGES alone is JSON)

        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        msg = "a table of texts"
        raise ValueError(msg)  # noqa: TRY004 (a reader's one error)
    return {_text(key): _text(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (tomllib's dict is untyped)


_READERS: Mapping[str, Callable[[object], object]] = {
    "engine": _member(EngineKind),
    "image": _text,
    "images": _table,
    "pull": _member(PullPolicy),
    "network": _text,
    "oci_runtime": _text,
    "selinux": parse_bool,
    "keep_groups": parse_bool,
    "tls_verify": parse_bool,
    "env": _environment,
    "ctx_size": parse_ctx_size,
    "temp": parse_temp,
    "threads": parse_threads,
    "ngl": parse_ngl,
    "prefix": _text,
    "color": _color,
}
