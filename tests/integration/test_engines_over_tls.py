"""The contracts over TCP with TLS, and why a connection with TLS is refused.

They run on Docker here, and over ssh on Podman.
"""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama_engines import EngineKind, EngineUnavailable
from ramalama_engines.address import EngineAddress, TlsFiles
from ramalama_engines.discovery.connection import open_engine, open_route
from ramalama_engines.discovery.identify import identify
from tests.contract.engine_contract import EngineContract
from tests.contract.file_contract import FileContract
from tests.integration.contract_service import OnDocker
from tests.lab.certificates import Authority

if TYPE_CHECKING:
    from tests.lab.certificates import Certificate

pytestmark = pytest.mark.engines


class _OverTls(OnDocker):
    @pytest.fixture
    def address(self, docker_over_tls: EngineAddress) -> EngineAddress:
        return docker_over_tls


class TestDockerEngine(_OverTls, EngineContract):
    pass


class TestDockerFiles(_OverTls, FileContract):
    pass


# Who is let in


@pytest.fixture(params=["podman", "docker"])
def address(request: pytest.FixtureRequest) -> EngineAddress:
    """Each of the two engines that listen with TLS in turn."""
    found: EngineAddress = request.getfixturevalue(f"{request.param}_over_tls")
    return found


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the engines do not know."""
    return Authority(tmp_path_factory.mktemp("tls") / "stranger")


def refusal(address: EngineAddress, tls: TlsFiles | None) -> str:
    """Return why there is no engine for who has the files *tls*."""
    with pytest.raises(EngineUnavailable) as caught:
        identify(open_route(replace(address, tls=tls)))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 125
    return str(caught.value)


def with_user(files: TlsFiles, user: Certificate) -> TlsFiles:
    return replace(files, cert=user.certificate, key=user.key)


def test_an_engine_is_identified_over_tls(address: EngineAddress) -> None:
    assert identify(open_route(address)) in EngineKind


def test_variables_of_other_programs_have_no_effect(
    address: EngineAddress, monkeypatch: pytest.MonkeyPatch, stranger: Authority
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(stranger.ca_file))
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)

    kind = identify(open_route(address))
    with open_engine(kind, address) as engine:
        assert engine.info.kind is kind


def test_an_engine_of_another_authority_is_refused(
    address: EngineAddress, tls_files: TlsFiles, stranger: Authority
) -> None:
    said = refusal(address, replace(tls_files, ca=stranger.ca_file))

    assert said.startswith(f"{stranger.ca_file} has no authority")


def test_a_user_of_another_authority_is_refused(
    address: EngineAddress, tls_files: TlsFiles, stranger: Authority
) -> None:
    user = stranger.issue("other-user")

    assert f"refuses the certificate {user.certificate}" in refusal(
        address, with_user(tls_files, user)
    )


def test_a_user_whose_certificate_has_expired_is_refused(
    address: EngineAddress, tls_files: TlsFiles, engines_authority: Authority
) -> None:
    user = engines_authority.issue(f"expired-{os.urandom(4).hex()}", expired=True)

    said = refusal(address, with_user(tls_files, user))

    assert f"refuses the certificate {user.certificate}" in said
    assert "expired" in said


def test_a_user_without_a_certificate_is_refused(
    address: EngineAddress, tls_files: TlsFiles
) -> None:
    said = refusal(address, replace(tls_files, cert=None, key=None))

    assert said.startswith("the engine requires a certificate of its users")


def test_a_request_without_tls_is_told_to_use_it(address: EngineAddress) -> None:
    assert "TLS" in refusal(address, None) or "reset" in refusal(address, None)


def test_the_certificate_of_an_adapter_that_is_refused_is_named(
    address: EngineAddress, tls_files: TlsFiles, stranger: Authority
) -> None:
    user = stranger.issue("refused-user")
    refused = replace(address, tls=with_user(tls_files, user))

    for kind in EngineKind:
        with (
            open_engine(kind, refused) as engine,
            pytest.raises(EngineUnavailable, match=f"{kind} at {address.url}: the engine refuses"),
        ):
            engine.list({})


def test_a_port_where_nothing_listens_is_told(tls_files: TlsFiles) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = EngineAddress(url=f"tcp://127.0.0.1:{unused.getsockname()[1]}")

        assert refusal(address, tls_files).startswith("no process listens there")
