"""The tokens of an answer, as the server counts them, and the times that it measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ramalama_values.json import is_count, is_measure, is_object

_SECOND = 1000.0  # milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one request; *timings* are llama-server's, in milliseconds, if it sent any."""

    prompt_tokens: int
    completion_tokens: int
    timings: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def total_tokens(self) -> int:
        """The number of tokens in the context after the answer."""
        return self.prompt_tokens + self.completion_tokens

    def describe(self, context: int | None = None) -> str:
        """Describe the usage in one line; *context* is how many tokens fit, None if unknown."""
        parts = [
            f"prompt {self.prompt_tokens} tokens{self._duration('prompt_ms')}",
            f"answer {self.completion_tokens} tokens{self._duration('predicted_ms')}",
        ]
        if speed := self.timings.get("predicted_per_second"):
            parts.append(f"{speed:.1f} tokens/s")
        if context:
            parts.append(f"context {self.total_tokens} of {context}")
        return ", ".join(parts)

    def _duration(self, name: str) -> str:
        milliseconds = self.timings.get(name)
        return "" if milliseconds is None else f" in {milliseconds / _SECOND:.2f} s"


def read_usage(event: Mapping[str, object]) -> Usage | None:
    """Read "usage" of an event, and "timings", which only llama-server sends; None if not valid."""
    usage, timings = event.get("usage"), event.get("timings")
    if not is_object(usage):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not is_count(prompt) or not is_count(completion):
        return None
    measured: Mapping[str, object] = timings if is_object(timings) else {}
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        timings={k: v for k, v in measured.items() if is_measure(v)},
    )
