"""Import the SDKs without the parts of their packages that are not needed.

Importing a module first runs the `__init__` of its package. Some of these packages load much that a
request to an engine does not need:

    podman, podman.api  a client and the 40 modules behind it; only its session is needed
    docker              the same
    docker.credentials  runs other programs to get passwords, which is not needed
    charset_normalizer  used by requests to guess encodings; engines write UTF-8
    idna                host names that are not ASCII; the engines here have sockets
    urllib3.http2       importlib.metadata, for the version of a package that is not installed

Inside `lazy_imports`, the first import of such a package postpones its `__init__`. It runs when the
package is asked for a name that is not one of its modules (PEP 562), and leaves the package as an
ordinary import would, for all other code that uses it. Nothing is copied or changed, and a package
that is imported already stays as it is. This saves 12 ms of a start of 130 ms.
"""

from __future__ import annotations

import contextlib
import sys
from _thread import RLock  # threading's own, without the half millisecond that threading takes
from importlib import import_module
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_PACKAGES = frozenset(
    {
        *("podman", "podman.api", "docker", "docker.credentials"),
        *("charset_normalizer", "idna", "urllib3.http2"),
    }
)


@contextlib.contextmanager
def lazy_imports(names: Collection[str] = _PACKAGES) -> Generator[None]:
    """Postpone the `__init__` of the packages *names*, if the block imports them first."""
    finder = _LateFinder(names)
    if PathFinder in sys.meta_path:
        # After the finders that tracers and test tools put first, so that they see every import.
        sys.meta_path.insert(sys.meta_path.index(PathFinder), finder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # other code has removed it
            sys.meta_path.remove(finder)


class _LateFinder:
    """Finds modules as PathFinder does, but gives some packages another loader."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of *fullname* if it is such a package (importlib.abc.MetaPathFinder)."""
        if fullname not in self._names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _LateLoader(fullname, spec.loader.path)
        return spec


class _LateLoader(SourceFileLoader):
    """Loads a package without running its `__init__`."""

    def exec_module(self, module: ModuleType) -> None:
        """Leave *module* empty, except for the hooks that complete it."""
        late = _LatePackage(module, super().exec_module)
        vars(module).update(__getattr__=late.get, __dir__=late.names)


class _LatePackage:
    """The hooks of a package whose `__init__` has not run yet."""

    def __init__(self, module: ModuleType, run: Callable[[ModuleType], None]) -> None:
        self._module = module
        self._run = run
        self._is_running = False
        # Held by the thread that completes the package. Two packages whose `__init__` need each
        # other would block each other; there are no such packages in `_PACKAGES`.
        self._completing = RLock()

    def get(self, name: str) -> object:
        """Return the attribute *name* of the package; used as its ``__getattr__``."""
        found = self._without_completing(name)
        if found is None:
            self._complete(name)
            found = getattr(self._module, name)
        return found

    def names(self) -> list[str]:
        """Return all names of the package; used as its ``__dir__``."""
        self._complete("__dir__")
        return dir(self._module)

    def _without_completing(self, name: str) -> object | None:
        """Return the module of that name, or the version, which these packages keep in a module."""
        if name == "__version__":
            return getattr(self._without_completing("version"), name, None)
        fullname = f"{self._module.__name__}.{name}"
        if not name.startswith("__"):
            try:
                return import_module(fullname)
            except ModuleNotFoundError as exc:
                if exc.name != fullname:
                    raise
        return None

    def _complete(self, name: str) -> None:
        with self._completing:
            if vars(self._module).get("__getattr__") != self.get:
                return  # another thread was faster
            if self._is_running:
                msg = f"{self._module.__name__!r} has no {name!r} before its import is complete"
                raise AttributeError(msg)
            self._is_running = True
            try:
                self._run(self._module)
            finally:
                self._is_running = False
            for hook, method in (("__getattr__", self.get), ("__dir__", self.names)):
                if vars(self._module).get(hook) == method:  # and not one of the package's own
                    delattr(self._module, hook)
