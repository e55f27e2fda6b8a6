"""Let `typing.get_type_hints` read annotations whose names are imported for type checkers only.

Annotations here are texts (PEP 563), and most of their names stand under ``if TYPE_CHECKING``,
since at run time they would make each start slower: ``openai`` alone takes half a second. A program
that asks for the types, such as a web framework or Sphinx, would get a NameError. Importing the
names together with the public classes would be as slow, and another list of them would not stay
right. So the annotations know their module (`LateAnnotations`). When they are first read, the
module's own ``if TYPE_CHECKING`` block is run.

Frozen classes have such annotations from the start. The packages give them to a public name, its
bases and methods when it is first used, and a class that is named in annotations gets them when
those are read.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING

from ramalama_values import LateAnnotations

if TYPE_CHECKING:
    import ast
    from types import ModuleType

_FLAG = "TYPE_CHECKING"
_PREFIX = "ramalama"
_WRAPPED = ("fget", "fset", "__func__", "func")  # property, classmethod, cached_property
_complete = set[str]()


def make_resolvable(value: object) -> None:
    """Let the annotations of a class, with its bases and methods, or of a function be read."""
    if isinstance(value, type):
        for base in value.__mro__:
            if base.__module__.startswith(_PREFIX):
                _make_late(base)
                for member in tuple(vars(base).values()):
                    for function in _functions(member):
                        _make_late(function)
    else:
        for function in _functions(value):
            _make_late(function)


def complete(name: str) -> None:
    """Give the module *name* the names that it has for type checkers.

    What cannot be imported at run time, such as ``_typeshed`` or a package that is not installed,
    stays unknown.
    """
    module = sys.modules.get(name)
    if module is None or name in _complete:
        return
    _complete.add(name)
    trial = dict(vars(module))  # a class of the block sees all names, and none is replaced
    for statement in _for_checkers(module):
        _run(statement, trial)
    for key in trial.keys() - vars(module).keys():
        setattr(module, key, trial[key])
        make_resolvable(trial[key])


def _run(statement: ast.stmt, names: dict[str, object]) -> None:
    import ast  # noqa: PLC0415 (see below)

    code = compile(ast.Module([statement], []), "<names for type checkers>", "exec")
    try:
        exec(code, names)  # noqa: S102 (our own source)
    except ImportError as exc:
        # The name may be one that the other module has for type checkers only, too.
        if exc.name and exc.name.startswith(_PREFIX) and exc.name not in _complete:
            complete(exc.name)
            _run(statement, names)


def _for_checkers(module: ModuleType) -> list[ast.stmt]:
    """Return the statements under ``if TYPE_CHECKING``; none if there is no source."""
    import ast  # noqa: PLC0415 (programs that ask for types are few)
    import inspect  # noqa: PLC0415 (likewise)

    try:
        source = inspect.getsource(module)
    except OSError:
        return []
    return [
        statement
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == _FLAG
        for statement in block.body
    ]


def _functions(member: object) -> list[FunctionType]:
    """Return our functions in a member of a class, or in a decorated function."""
    parts: list[object] = [member, *(getattr(member, name, None) for name in _WRAPPED)]
    found: list[FunctionType] = []
    for each in parts:
        function = each
        while isinstance(function, FunctionType) and function.__module__.startswith(_PREFIX):
            found.append(function)
            function = getattr(function, "__wrapped__", None)
    return found


def _make_late(value: type | FunctionType) -> None:
    # Not `value.__annotations__`, which is a base's if a class has none.
    own = vars(value).get("__annotations__") if isinstance(value, type) else value.__annotations__
    if own and not isinstance(own, LateAnnotations):
        value.__annotations__ = LateAnnotations(own, module=value.__module__)
