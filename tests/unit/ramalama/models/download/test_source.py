"""Where bytes are, and where else when they are no longer there."""

from __future__ import annotations

import httpx2
import pytest

from ramalama.models.download.source import Source
from ramalama.models.download.values import Location


def test_where_a_redirect_led_is_where_to_ask_next_without_the_secret() -> None:
    secret = {"authorization": "s3cret"}
    source = Source(lambda: Location(url="https://hub/file", headers=secret))
    first = source.current()
    source.prove(first, httpx2.URL("https://cdn/signed"))

    assert first.headers == secret
    assert source.current() == Location(url="https://cdn/signed")
    assert source.host == "cdn"


def test_where_a_redirect_within_a_host_led_the_secret_may_follow() -> None:
    secret = {"authorization": "s3cret"}
    source = Source(lambda: Location(url="https://hub/file", headers=secret))
    source.prove(source.current(), httpx2.URL("https://hub/moved"))

    assert source.current() == Location(url="https://hub/moved", headers=secret)


def test_what_never_was_granted_is_not_asked_for_again() -> None:
    source = Source(lambda: Location(url="https://hub/file"))

    assert not source.renew(source.current())


def test_what_was_granted_once_is_located_anew() -> None:
    urls = iter(["https://hub/1", "https://hub/2"])
    source = Source(lambda: Location(url=next(urls)))
    first = source.current()
    source.prove(first, httpx2.URL("https://hub/1"))

    assert source.renew(first)
    assert source.current().url == "https://hub/2"


def test_only_the_first_of_several_that_were_refused_has_it_located_anew() -> None:
    urls = iter(["https://hub/1", "https://hub/2"])
    source = Source(lambda: Location(url=next(urls)))
    first = source.current()
    source.prove(first, httpx2.URL("https://hub/1"))
    source.renew(first)
    second = source.current()

    assert source.renew(first)
    assert source.current() is second


@pytest.mark.parametrize("url", ["", "http://[", "nonsense"])
def test_a_host_without_a_name_is_called_something(url: str) -> None:
    source = Source(lambda: Location(url=url))
    source.current()

    assert source.host == "its server"
