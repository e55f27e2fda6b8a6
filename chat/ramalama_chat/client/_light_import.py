"""Import a package, but delay the import of the names that it only re-exports.

An SDK that is generated from an API description has packages whose `__init__` holds nothing but
hundreds of `from .module import Name as Name`. Importing such a package executes every module
behind it. While `import_lightly` imports the SDK, such packages become modules that import a name
when it is first used (PEP 562). All other files are executed as usual. Nothing is copied or
changed: code that uses the SDK later finds the same objects under the same names.

`import openai` 3.54 loads 520 modules; this loads 59, which takes less than half as long. A chat
needs none of the others.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

_log = logging.getLogger("ramalama.chat")

# A statement of a package that only re-exports: nothing (a comment), a docstring, or
# `from .module import …`, with or without parentheses around the names.
_STATEMENT = (
    r"[ \t]*(?:#.*)?\n"
    r'|"""[^"\\]*"""\n'
    r"|from (__future__|\.\w+(?:\.\w+)*) import "
    r"(?:\(((?:[\w\s,]|#.*\n)*)\)|([\w ,]+))[ \t]*(?:#.*)?\n"
)


def import_lightly(package: str) -> ModuleType:
    """Import *package*, but delay the import of names that its packages only re-export.

    A package that the application has imported already is left unchanged. If anything goes wrong,
    the package is imported in the ordinary way.
    """
    if package not in sys.modules:
        _import_with(_ReexportFinder(package), package)
    return import_module(package)


def _import_with(finder: "_ReexportFinder", package: str) -> None:
    before = set(sys.modules)
    try:
        # After the finders that tracers and test tools put first, so that they see every import.
        sys.meta_path.insert(sys.meta_path.index(PathFinder), finder)
        import_module(package)
    except Exception:  # noqa: BLE001 - on any error, import_module reports the real cause
        _log.debug("light import of %s failed, importing it completely", package, exc_info=True)
        _forget(package, before)
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


def _forget(package: str, before: set[str]) -> None:
    """Remove the modules of *package* that a failed import left in `sys.modules`."""
    for name in set(sys.modules) - before:
        if name == package or name.startswith(f"{package}."):
            del sys.modules[name]


class _ReexportFinder:
    """Finds modules as PathFinder does, but gives packages that only re-export another loader."""

    def __init__(self, package: str) -> None:
        self._prefix = f"{package}."

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of *fullname* if it is in the package (importlib.abc.MetaPathFinder)."""
        if not fullname.startswith(self._prefix):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return spec
        if spec.submodule_search_locations:
            source = spec.loader.get_source(fullname) or ""
            reexports = parse_reexports(source, _siblings(spec.loader.path))
            if reexports:
                spec.loader = _ReexportLoader(fullname, spec.loader.path, reexports)
        return spec


class _ReexportLoader(SourceFileLoader):
    """Loads a package as a module that imports its names when they are used."""

    def __init__(self, fullname: str, path: str, reexports: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(fullname, path)
        self._reexports = reexports

    def exec_module(self, module: ModuleType) -> None:
        """Give *module* its names without importing them."""
        vars(module).update(
            __all__=[name for name in self._reexports if not name.startswith("_")],
            __dir__=lambda: sorted({*vars(module), *self._reexports}),
            __getattr__=self._getter(module),
        )

    def _getter(self, module: ModuleType) -> Callable[[str], object]:
        package, reexports = module.__name__, self._reexports

        def get(name: str) -> object:
            if name in reexports:
                source, attribute = reexports[name]
                value: object = getattr(import_module(source, package), attribute)
            else:
                value = _import_submodule(package, name)
            vars(module)[name] = value
            return value

        return get


def _import_submodule(package: str, name: str) -> ModuleType:
    """Import the submodule *name*, which the ordinary import of the package would have set."""
    fullname = f"{package}.{name}"
    if not name.startswith("__"):
        try:
            return import_module(fullname)
        except ModuleNotFoundError as exc:
            if exc.name != fullname:
                raise
    msg = f"module {package!r} has no attribute {name!r}"
    raise AttributeError(msg)


def parse_reexports(source: str, siblings: frozenset[str]) -> dict[str, tuple[str, str]] | None:
    """Map each name that a package re-exports to its module and its name in that module.

    Return None for a package that does anything else, or that re-exports a name which is also the
    name of a module beside it: importing that module later would overwrite the name.
    """
    names: dict[str, tuple[str, str]] = {}
    source, end = f"{source}\n", 0
    # Not with `ast`: importing that takes longer than all of this.
    for statement in re.finditer(_STATEMENT, source):
        if statement.start() != end:
            return None
        end = statement.end()
        module, in_parentheses, in_line = statement.groups()
        for words in _split(in_parentheses or in_line or ""):
            match words:
                case [name] | [name, "as", _]:
                    names[words[-1]] = (module, name)
                case _:
                    return None
    return None if end < len(source) or names.keys() & siblings else names


def _split(names: str) -> Iterator[list[str]]:
    """Yield the words of each name of an import statement, without comments."""
    for name in re.sub("#.*", "", names).split(","):
        if words := name.split():
            yield words


def _siblings(init: str) -> frozenset[str]:
    """Return the names, without suffixes, of the files beside the `__init__` file at *init*."""
    return frozenset(entry.partition(".")[0] for entry in os.listdir(os.path.dirname(init)))  # noqa: PTH120, PTH208 - importing pathlib takes time
