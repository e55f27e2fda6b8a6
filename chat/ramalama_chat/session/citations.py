"""Find out which sources an answer cites: ``[1]``, ``[1, 3]``, ``[2-4]`` or ``[source 1]``."""

import re
from collections.abc import Iterator, Sequence

from ramalama_chat.session.knowledge import Source
from ramalama_values import frozen

# Programs have such brackets, too, so code does not count. "【1】" is how some models write it.
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_NUMBERS = r"\d{1,3}(?:\s?[,;\u2013-]\s?\d{1,3}){0,20}"
_CITATION = re.compile(rf"[\[【](?:\^|[Ss]ources?\s)?({_NUMBERS})[\]】]")
_RANGE = re.compile(r"(\d+)(?:\s?[\u2013-]\s?(\d+))?")


@frozen()
class Citation:
    """A place in an answer where source *number* is cited: the characters from *start* to *end*."""

    number: int
    start: int
    end: int


def find_citations(answer: str, count: int) -> Iterator[Citation]:
    """Yield the citations of an answer to which *count* sources were shown, in their order."""
    if not count:
        return
    text = _CODE.sub(lambda code: " " * len(code[0]), answer)
    for place in _CITATION.finditer(text):
        for each in _RANGE.finditer(place[1]):
            first, last = int(each[1]), int(each[2] or each[1])
            for number in range(max(first, 1), min(last, count) + 1):
                yield Citation(number=number, start=place.start(), end=place.end())


def cited_sources(answer: str, sources: Sequence[Source]) -> list[tuple[int, Source]]:
    """Return the sources that *answer* cites with their numbers, each once, by number."""
    numbers = {each.number for each in find_citations(answer, len(sources))}
    return [(number, sources[number - 1]) for number in sorted(numbers)]


def describe_sources(cited: Sequence[tuple[int, Source]]) -> str:
    """Return the lines that tell the user what was cited; "" if nothing was."""
    heading = "Sources: "
    lines = [f"[{number}] {source.label}" for number, source in cited]
    return heading + f"\n{' ' * len(heading)}".join(lines) if lines else ""
