"""Import the SDKs without what their packages load for other purposes than ours.

Whoever imports a module runs the `__init__` of its package first, and some of those that lie on
our way load much that a request to an engine does not need:

    podman, podman.api  a client and the 40 modules behind it, where its session is all we use
    docker              likewise
    docker.credentials  runs other programs to get at passwords, which we do not
    charset_normalizer  with which requests guesses encodings; engines write UTF-8
    idna                names of hosts that are not ASCII; ours are sockets
    urllib3.http2       importlib.metadata, for the version of a package that nobody has

Inside `lazy_imports` the first import of such a package leaves its `__init__` for later. It runs
when the package is asked for a name that is no module of it (PEP 562), at once if need be, and
leaves the package as an ordinary import would have made it, for whoever else uses it. Nothing is
copied or changed; a package that is imported already stays as it is. A start takes 12 ms less for
it, of 130.
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
    """Let the packages *names*, if the block is the first to import them, run `__init__` late."""
    finder = _LateFinder(names)
    if PathFinder in sys.meta_path:
        # Behind the finders that tracers and test tools put in front, which then see it all.
        sys.meta_path.insert(sys.meta_path.index(PathFinder), finder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # somebody else has taken it away
            sys.meta_path.remove(finder)


class _LateFinder:
    """Finds what PathFinder finds, with another loader for some packages."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find *fullname* if it is one of the packages (importlib.abc.MetaPathFinder)."""
        if fullname not in self._names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _LateLoader(fullname, spec.loader.path)
        return spec


class _LateLoader(SourceFileLoader):
    """Makes a package whose `__init__` is still to run."""

    def exec_module(self, module: ModuleType) -> None:
        """Leave *module* empty but for the hooks that complete it."""
        late = _LatePackage(module, super().exec_module)
        vars(module).update(__getattr__=late.get, __dir__=late.names)


class _LatePackage:
    """The hooks of a package whose `__init__` is still to run."""

    def __init__(self, module: ModuleType, run: Callable[[ModuleType], None]) -> None:
        self._module = module
        self._run = run
        self._is_running = False
        # Held by who completes the package. Two packages that each need the other for their
        # `__init__` would block each other; there are none among those that we know.
        self._completing = RLock()

    def get(self, name: str) -> object:
        """Return what the package calls *name*; for its ``__getattr__``."""
        found = self._without_completing(name)
        if found is None:
            self._complete(name)
            found = getattr(self._module, name)
        return found

    def names(self) -> list[str]:
        """List all names; for the package's ``__dir__``."""
        self._complete("__dir__")
        return dir(self._module)

    def _without_completing(self, name: str) -> object | None:
        """Look for a module of that name, or for the version, which they all keep in a module."""
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
