"""Read the settings of this host and user, and where each comes from; see ramalama.conf(5).

The files are TOML with a table ``[ramalama]``. Later files override earlier ones. After each file,
the ``*.conf`` files in the directory ``ramalama.conf.d`` next to it are read:

    /usr/share/ramalama/ramalama.conf
    /usr/local/share/ramalama/ramalama.conf
    /etc/ramalama/ramalama.conf
    $XDG_CONFIG_HOME/ramalama/ramalama.conf     ~/.config without the variable

If `RAMALAMA_CONFIG` is set, only the file that it names is read. The environment overrides the
files, and the command line overrides the environment.
"""

from __future__ import annotations

import os
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ramalama.config.api_name import ApiName
from ramalama.config.option_table import SERVER_OPTIONS, SETTINGS
from ramalama.errors import ConfigError
from ramalama.models.reference.scheme import Scheme
from ramalama.value_types import ListOf, TableOf, Text, brief, checked, show
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines.kinds import EngineKind, PullPolicy
from ramalama_values import Accepts, accepts, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ramalama.config.words import ApiWord, EngineWord, PullWord, RuntimeWord
    from ramalama_chat.tools.server_address import ToolServerAddress

DEFAULT = "default"
_TABLE = "ramalama"
_PREFIX = "RAMALAMA_"
_NEARNESS = 0.8  # of 1, without the prefix
_FILE_VARIABLE = "RAMALAMA_CONFIG"
_LONGEST_FILE = 64 * 1024  # characters; the time of the TOML parser grows with their square
_ENVIRONMENT = "the environment"
_LOCATIONS = ("engine_url", "connection")  # two ways to say where the engine is

# Keys of upstream's files that this version does not use (yet): they cause no warning.
_FOREIGN = frozenset(
    # As one text: with one name per line, it would fill a page.
    """api api_key backend cache_reuse carimage container convert_type default_image
    default_pi_image default_rag_image default_stack_image default_tools_image dryrun
    gguf_quantization_mode host http_client log_level max_tokens ncmoe port provider pi_image
    rag_image runtimes stack_image summarize_after tempdir thinking tools_image
    tools_images user verify benchmarks""".split()  # noqa: SIM905 (see above)
)

_TYPES = {
    **{key: spec.type for key, spec in SETTINGS.items()},
    "sources": TableOf(Text(), "a table of texts"),
    "warnings": ListOf(Text(), "a list of texts"),
}
_SECRETS = frozenset(key for key, spec in SETTINGS.items() if spec.is_secret)


@frozen()
class Config:
    """Settings for all calls: `Config.load` reads them, and an embedding program can make its own.

    Attributes:
        engine: "podman" or "docker"; None takes the first that answers.
        engine_url: address of the engine; None, and no connection, looks for one.
        connection: name of the connection of podman that leads to the engine.
        image: for every accelerator; None takes the image of the accelerator.
        images: for each accelerator, by the variable that names it, ``CUDA_VISIBLE_DEVICES``; see
            `ramalama_accel.default_image`.
        runtime: the inference server.
        api: what stands before the inference server.
        stack_image: the image of Llama Stack; None is RamaLama's own.
        env: ``NAME=VALUE`` or ``NAME`` for the container.
        store: directory of the models; None is upstream's, see `store_base`.
        model_draft: reference of the draft model for every other model.
        embedding_model: name of the embedding model for documents, or "none"; None is
            nomic-embed-text, if it can be had.
        ocr_model: (commands only) name of the model that reads scanned pages of documents; None or
            "none" is none.
        mcp: (commands only) tool servers, by the names that `--mcp` can use.
        transport: transport of references without one.
        prefix: (commands only) prompt of the chat; None is the seal, where the terminal can show
            it.
        color: (commands only) "auto", "always" or "never".
        sources: where each setting comes from that is not the default, for messages.
        warnings: what was ignored in the files, a sentence each.
    """

    engine: Accepts[EngineKind | None, EngineWord] = accepts(default=None)
    engine_url: str | None = None
    connection: str | None = None
    image: str | None = None
    images: Mapping[str, str] = field(default_factory=dict[str, str])
    runtime: Accepts[RuntimeName, RuntimeWord] = accepts(default=RuntimeName.LLAMA_CPP)
    api: Accepts[ApiName, ApiWord] = accepts(default=ApiName.NONE)
    stack_image: str | None = None
    pull: Accepts[PullPolicy, PullWord] = accepts(default=PullPolicy.MISSING)
    network: str = "none"
    memory: int | None = None
    oci_runtime: str | None = None
    selinux: bool = True
    keep_groups: bool = False
    tls_verify: bool = True
    env: Accepts[tuple[str, ...], Sequence[str]] = accepts(default=())
    ctx_size: int | None = None
    temp: float | None = None
    threads: int | None = None
    ngl: int = -1
    store: str | None = None
    model_draft: str | None = None
    embedding_model: str | None = None
    ocr_model: str | None = None
    mcp: Mapping[str, ToolServerAddress] = field(default_factory=dict[str, "ToolServerAddress"])
    transport: Scheme = Scheme.OLLAMA
    prefix: str | None = None
    color: str = "auto"
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check all values, and convert them: words to members of an enumeration, lists to tuples.

        No password is in a `Config`, since it may not be in *engine_url*.

        Raises:
            ConfigError: a value is invalid, or both *engine_url* and *connection* are given.
        """
        checked(self, _TYPES, ConfigError, secret=_SECRETS)
        if self.engine_url is not None and self.connection is not None:
            msg = "engine_url and connection both say where the engine is"
            raise ConfigError(msg, hint="set one of them")

    def __repr__(self) -> str:
        return brief(self, secret=("env",))

    @classmethod
    def load(
        cls, env: Mapping[str, str] | None = None, files: Sequence[Path] | None = None
    ) -> Config:
        """Read *files*, in this order, and then *env*; later values override earlier ones.

        Without arguments, it reads what the commands read: the files of this host and user, and the
        environment of this process. A file that does not exist is skipped, unless RAMALAMA_CONFIG
        names it.

        Raises:
            ConfigError: a value cannot be used, or the file that the user named does not exist;
                the message names the file or variable.
        """
        env = os.environ if env is None else env
        files = config_files(env, Path.home()) if files is None else files
        config = cls()
        named = env.get(_FILE_VARIABLE)
        for file in files:
            settings, warnings = _read(file, must_exist=str(file) == named)
            config = replace(config, warnings=(*config.warnings, *warnings))
            config = _with_settings(config, settings, str(file))
        # An empty variable counts as unset.
        variables = {key: value for key in SETTINGS if (value := _value(env, key))}
        config = _with_settings(config, variables, _ENVIRONMENT)
        return replace(config, warnings=(*config.warnings, *_mistyped(env)))

    def server_settings(self, environ: Mapping[str, str]) -> dict[str, object]:
        """Return the settings that are options of a server, by their fields in `ServeOptions`.

        Variables without a value in `env` get those of *environ*. The draft model is left out,
        since its reference must be resolved.
        """
        settings = {
            spec.field: getattr(self, spec.key)
            for spec in SERVER_OPTIONS
            if spec.key and spec.field != "draft"
        }
        settings["env"] = resolve_env(self.env, environ)
        return {field: value for field, value in settings.items() if value is not None}

    def source(self, key: str) -> str:
        """Return where the setting *key* comes from."""
        return self.sources.get(key, DEFAULT)


def with_changes(
    config: Config,
    changes: Mapping[str, object],
    sources: Mapping[str, str],
    *,
    warnings: Iterable[str] = (),
) -> Config:
    """Return *config* with other values, each with the source that *sources* has for its key.

    A new place of the engine replaces one that is set in the other way.
    """
    changes = dict(changes)
    kept = dict(config.sources)
    if any(changes.get(key) is not None for key in _LOCATIONS):
        for key in _LOCATIONS:
            changes.setdefault(key, None)
            kept.pop(key, None)
    return replace(
        config,
        **changes,  # type: ignore[arg-type]  # SETTINGS gives each field its own type
        sources={**kept, **sources},
        warnings=(*config.warnings, *warnings),
    )


def resolve_env(items: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Read ``K=V``, and ``K`` as the host's value where the host has one."""
    resolved: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if equals:
            resolved[name] = value
        elif name in environ:
            resolved[name] = environ[name]
    return resolved


def config_files(env: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Return the files to read, the most general first."""
    if named := env.get(_FILE_VARIABLE):
        return (Path(named),)
    named_dir = Path(env.get("XDG_CONFIG_HOME", ""))
    # A relative one counts as unset (XDG base directories): it would be in the current directory.
    user = named_dir if named_dir.is_absolute() else home / ".config"
    directories = (Path("/usr/share"), Path("/usr/local/share"), Path("/etc"), user)
    return tuple(_with_drop_ins(directories))


def _with_drop_ins(directories: Sequence[Path]) -> Iterator[Path]:
    for directory in directories:
        file = directory / "ramalama" / "ramalama.conf"
        yield file
        yield from sorted(file.with_name("ramalama.conf.d").glob("*.conf"))


def _read(file: Path, *, must_exist: bool) -> tuple[Mapping[str, object], Sequence[str]]:
    """Return the settings of *file*, and warnings about what stands outside their table."""
    try:
        with file.open(encoding="utf-8-sig") as stream:  # some editors begin with a mark
            text = stream.read(_LONGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError) as exc:
        if must_exist:
            msg = f"{_FILE_VARIABLE} names {file}, which is not there"
            raise ConfigError(msg) from exc
        return {}, ()
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"cannot read {file}: {exc}"
        raise ConfigError(msg) from exc
    if len(text) > _LONGEST_FILE:
        msg = f"{file} is longer than {_LONGEST_FILE} characters"
        raise ConfigError(msg)
    import tomllib  # noqa: PLC0415 (few users have a file)

    try:
        tables: dict[str, object] = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # TOMLDecodeError, or a number of 5000 digits
        msg = f"{file} is not TOML: {exc}"
        raise ConfigError(msg) from exc
    table = tables.pop(_TABLE, {})
    if not isinstance(table, dict):
        msg = f"{file}: [{_TABLE}] is not a table"
        raise ConfigError(msg)
    settings: dict[str, object] = {str(key): value for key, value in table.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (tomllib's dict is untyped)
    return settings, [
        _outside(name, text, file)
        for name, value in tables.items()
        if not isinstance(value, dict) or name in SETTINGS or name.casefold() == _TABLE
    ]  # other tables may be those of another program


def _with_settings(config: Config, settings: Mapping[str, object], source: str) -> Config:
    changes: dict[str, object] = {}
    warnings: list[str] = []
    for key, value in settings.items():
        if key in SETTINGS:
            try:
                changes[key] = SETTINGS[key].type.read(value)
            except ValueError as exc:
                shown = "" if SETTINGS[key].is_secret else f" {show(value)}, which is"
                msg = f"{_where(source, key)} is{shown} not {exc}"
                raise ConfigError(msg) from (None if SETTINGS[key].is_secret else exc)
        elif key not in _FOREIGN:
            warnings.append(_unknown(key, source))
    if "mcp" in changes:  # the servers of all files are merged, by name
        changes["mcp"] = {**config.mcp, **cast("Mapping[str, object]", changes["mcp"])}
    sources = {key: _where(source, key) for key in changes}
    if len(sources.keys() & _LOCATIONS) == len(_LOCATIONS):
        msg = f"{' and '.join(sources[key] for key in _LOCATIONS)} both say where the engine is"
        raise ConfigError(msg, hint="set one of them")
    return with_changes(config, changes, sources, warnings=warnings)


def _outside(name: str, text: str, file: Path) -> str:
    """Warn about a table or key beside the table of settings, with the line of its first word."""
    lines = (line.lstrip("[ \t\"'") for line in text.split("\n"))
    number = next((number for number, line in enumerate(lines, 1) if line.startswith(name)), 1)
    return f"{file}:{number}: {name[:100]!r} is outside of the table [{_TABLE}] and was ignored"


def _where(source: str, key: str) -> str:
    return SETTINGS[key].environment[0] if source == _ENVIRONMENT else f"{key} in {source}"


def _value(env: Mapping[str, str], key: str) -> str | None:
    return next((env[name] for name in SETTINGS[key].environment if env.get(name)), None)


def _mistyped(env: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each variable that is nearly the name of a setting."""
    known = {name for spec in SETTINGS.values() for name in spec.environment}
    for name in env:
        if name.startswith(_PREFIX) and name not in known:
            import difflib  # noqa: PLC0415 (few users have such variables)

            keys = [each.removeprefix(_PREFIX) for each in known]
            if similar := difflib.get_close_matches(name.removeprefix(_PREFIX), keys, 1, _NEARNESS):
                yield f"{name} is not a setting; did you mean {_PREFIX}{similar[0]}?"


def _unknown(key: str, source: str) -> str:
    import difflib  # noqa: PLC0415 (for an unknown key only)

    similar = difflib.get_close_matches(key, SETTINGS, n=1)
    hint = f"; did you mean {similar[0]!r}?" if similar else ""
    return f"{source} has an unknown key {key!r}{hint}"
