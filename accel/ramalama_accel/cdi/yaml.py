"""Read YAML as (path, scalar) pairs, exactly as an engine reads it, or raise an error.

    devices:                    ("devices", 0, "name")                                    "all"
    - name: all           ->    ("devices", 0, "containerEdits", "deviceNodes", 0, "path")
      containerEdits:                                                              "/dev/nvidia0"
        deviceNodes:            ("kind",)                                      "nvidia.com/gpu"
        - path: /dev/nvidia0
    kind: nvidia.com/gpu

Engines read CDI specifications with ``UnmarshalStrict`` of sigs.k8s.io/yaml: YAML 1.1, only the
first document, no duplicate keys. PyYAML parses them here, but only its events are used, not its
objects. So no alias is followed, nesting is limited before anything is built, and the engines'
rules decide the type of a scalar without quotes (``1:0``, a name of a MIG device, is the number 60
to PyYAML).

Import this module only when needed: PyYAML takes 10 ms to import.
"""

import re
from collections.abc import Iterator
from itertools import takewhile

import yaml

KeyPath = tuple[str | int, ...]
Scalars = Iterator[tuple[KeyPath, str | None]]

_DEPTH_LIMIT = 32
_TEXT_TAG = "tag:yaml.org,2002:str"
_COLLECTION_TAGS = (None, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_NULL = ("", "~", "null", "Null", "NULL")
_SAME_AS_TEXT = r"true|false|0|-?[1-9][0-9]{0,17}"
_TRUTH = r"true|false|yes|no|on|off|y|n"
_NUMBER = (
    r"(?:[-+]_*)?(?:0x[0-9a-f_]+|0[bo][0-7_]+|\.(?:inf|nan)"
    r"|\.?[0-9][0-9_]*(?:\.[0-9_]*)?(?:e[-+]?[0-9_]+)?)"
)


def read_yaml(text: str) -> Scalars:
    """Yield the scalars of *text*, except null, with the path to each.

    A scalar is None if quotes are missing: an engine reads ``yes`` as "true", and ``0x10`` as "16".

    Raises:
        ValueError: *text* is not YAML, or is of a form that is refused; the message says where.
    """
    # PyYAML may be built without libyaml; its own parser is ten times slower.
    events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        for event in events:
            if isinstance(event, yaml.NodeEvent):
                yield from _read(event, (), events)
            elif isinstance(event, yaml.DocumentEndEvent):
                return
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        msg = f"{line}{error.problem}"
        raise ValueError(msg) from error
    except (yaml.YAMLError, OverflowError) as error:  # OverflowError: "\UFFFFFFFF", in SafeLoader
        msg = f"it is not YAML: {str(error).partition(chr(10))[0]}"
        raise ValueError(msg) from error


def _read(event: yaml.Event, place: KeyPath, events: Iterator[yaml.Event]) -> Scalars:
    """Yield the scalars of the node that *event* begins; *events* has the rest of the node."""
    match event:
        case yaml.ScalarEvent():
            if not (event.implicit[0] and event.value in _NULL):
                yield place, _text(event)
        case yaml.CollectionStartEvent() if event.tag not in _COLLECTION_TAGS:
            raise _refusal(event, f"the tag {event.tag!r} is not supported")
        case yaml.CollectionStartEvent() if len(place) == _DEPTH_LIMIT:
            raise _refusal(event, f"more than {_DEPTH_LIMIT} levels are not supported")
        case yaml.SequenceStartEvent():
            for index, item in enumerate(takewhile(_is_inside, events)):
                yield from _read(item, (*place, index), events)
        case yaml.MappingStartEvent():
            keys: set[str] = set()
            for key in takewhile(_is_inside, events):
                name = _add_key(key, keys)
                yield from _read(next(events), (*place, name), events)
        case _:
            raise _refusal(event, "an alias is not supported")


def _is_inside(event: yaml.Event) -> bool:
    return not isinstance(event, yaml.CollectionEndEvent)


def _add_key(event: yaml.Event, keys: set[str]) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise _refusal(event, "a key must be a scalar")
    if event.value in keys:
        raise _refusal(event, f"the key {event.value!r} appears twice")
    if event.value == "<<":
        raise _refusal(event, "merging with << is not supported")
    keys.add(event.value)
    return event.value


def _text(event: yaml.ScalarEvent) -> str | None:
    """Return a scalar's text; None if an engine could read it differently than it is written."""
    if event.tag not in (None, _TEXT_TAG):
        raise _refusal(event, f"the tag {event.tag!r} is not supported")
    is_plain = event.implicit[0]
    if not is_plain or re.fullmatch(_SAME_AS_TEXT, event.value):
        return event.value
    is_other = re.fullmatch(f"{_TRUTH}|{_NUMBER}", event.value, re.IGNORECASE)
    return None if is_other else event.value


def _refusal(event: yaml.Event, reason: str) -> ValueError:
    line = event.start_mark.line + 1 if event.start_mark else "?"
    return ValueError(f"line {line}: {reason}")
