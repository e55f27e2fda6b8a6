"""Send a request to a real server, and record its answer on the way to the client."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final, cast

from ramalama.testing.recording_file import RecordedAnswer
from ramalama.testing.socket_server import HttpReply, HungUp

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx2

    from ramalama.serving.served_model import ServedModel
    from ramalama.testing.recording import Recording
    from ramalama.testing.socket_server import HttpRequest

_DONE: Final = b"data: [DONE]\n\n"  # a client need not wait for what comes after it


def forward(request: HttpRequest, real: ServedModel, recording: Recording) -> HttpReply:
    """Send *request* to the *real* server, and record what it answers."""
    response = _send(request, real)
    content_type = response.headers.get("content-type", "application/json")
    heard = _recorded(response, request, recording, content_type)
    if content_type.startswith("text/event-stream"):
        return HttpReply(status=response.status_code, content_type=content_type, body=heard)
    return HttpReply(status=response.status_code, content_type=content_type, body=b"".join(heard))


def _recorded(
    response: httpx2.Response, request: HttpRequest, recording: Recording, content_type: str
) -> Generator[bytes]:
    """Yield the body, and record it before its last piece; of one that breaks off, nothing."""
    import httpx2  # noqa: PLC0415 (slow to import)

    heard, complete = bytearray(), False

    def add(*, cut: bool) -> None:
        answer = RecordedAnswer(
            status=response.status_code,
            content_type=content_type,
            text=heard.decode(errors="replace"),
            cut=cut,
        )
        recording.add(request, answer)

    try:
        with closing(response):
            for piece in _body(response):
                heard += piece
                if not complete and heard.endswith(_DONE):
                    complete = True
                    add(cut=False)
                yield piece
    except GeneratorExit:
        if not complete:
            add(cut=True)
        raise
    except httpx2.RequestError as exc:
        raise HungUp from exc
    if not complete:
        add(cut=False)


def _body(response: httpx2.Response) -> Generator[bytes]:
    if response.is_stream_consumed:  # the SDK has read a failure
        yield response.content
    else:
        yield from response.iter_raw()


def _send(request: HttpRequest, real: ServedModel) -> httpx2.Response:
    """Send *request* to the *real* server, and return the response once its head has come."""
    import httpx2  # noqa: PLC0415 (slow to import)

    from ramalama_chat.client._openai import openai  # noqa: PLC0415 (see above)

    client = real.client()
    url = str(client.base_url.join(request.path))
    try:
        if request.method == "GET":
            response = client.get(
                url, cast_to=httpx2.Response, stream=True, stream_cls=openai.Stream[object]
            )
        else:
            response = client.post(
                url,
                content=request.body,
                cast_to=httpx2.Response,
                stream=True,
                stream_cls=openai.Stream[object],
            )
    except openai.APIStatusError as exc:
        return exc.response
    except openai.APIConnectionError as exc:
        raise HungUp from exc
    return cast("httpx2.Response", response)
