"""The connection goes to the address that was checked, and TLS is for the name."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from socket import gaierror
from typing import Any

import httpx
import pytest

from waymark.curate.address import BadAddress, place_of
from waymark.curate.connect import Connections


def connections(addresses: list[list[str]], **more: Any) -> Connections:
    """Return connections for which the n-th look-up gives the n-th list; the last stays."""

    def lookup(*_: object) -> list[str]:
        return addresses.pop(0) if len(addresses) > 1 else addresses[0]

    return Connections(
        agent="test",
        timeout=2.0,
        lookup=lookup,
        public=lambda address: address == "127.0.0.1",
        **more,
    )


def test_rebinding_gains_nothing(proof: Any) -> None:
    """A name that turns private between two look-ups is refused, and nobody asks it there."""
    with (
        proof.serving(lambda _, h: h.send(b"public")) as server,
        proof.serving(lambda _, h: h.send(b"private"), proof.PRIVATE) as private,
    ):
        place = place_of(f"http://rebind.test:{server.port}/")
        open_ = connections([["127.0.0.1"], [proof.PRIVATE], ["127.0.0.1", proof.PRIVATE]])
        with open_.get(place, {}) as response:
            assert response.read() == b"public"
        for _ in range(2):
            with pytest.raises(BadAddress, match="--allow-private"), open_.get(place, {}):
                pass
        open_.close()

        assert server.seen[0]["host"] == place.netloc
        assert len(server.seen) == 1
        assert not private.seen


def test_private_addresses_when_asked_for(proof: Any) -> None:
    """--allow-private takes them."""
    with proof.serving(lambda _, h: h.send(b"mine"), proof.PRIVATE) as private:
        open_ = connections([[proof.PRIVATE]], allow_private=True)
        with open_.get(place_of(f"http://nas.test:{private.port}/"), {}) as response:
            assert response.read() == b"mine"
        open_.close()


def test_the_next_address_is_tried(proof: Any) -> None:
    """Of several addresses of a host, the first that answers is taken."""
    with proof.serving(lambda _, h: h.send(b"here")) as server:
        open_ = connections([[proof.PRIVATE, "127.0.0.1"]], allow_private=True)
        with open_.get(place_of(f"http://two.test:{server.port}/"), {}) as response:
            assert response.read() == b"here"
        open_.close()
    nobody = connections([[]])
    with pytest.raises(gaierror), nobody.get(place_of("http://none.test/"), {}):
        pass


def test_no_cookie_and_no_proxy(proof: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment or the last answer says does not travel along."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with proof.serving(lambda _, h: h.send(b"", Set_Cookie="id=1")) as server:
        open_ = connections([["127.0.0.1"]])
        for _ in range(2):
            with open_.get(place_of(f"http://a.test:{server.port}/"), {}) as response:
                response.read()
        open_.close()

        assert all("cookie" not in headers for headers in server.seen)
        assert server.seen[1]["user-agent"] == "test"


def test_the_certificate_is_checked_for_the_name(proof: Any, tool: Any, tmp_path: Path) -> None:
    """A certificate for tls.test serves tls.test and no other name on that address."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = f"req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {key} -out {certificate}"
    command += " -subj /CN=tls.test -addext subjectAltName=DNS:tls.test"
    subprocess.run([tool("openssl"), *command.split()], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with proof.serving(lambda _, h: h.send(b"safe")) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        trusting = connections([["127.0.0.1"]])
        trusting._tls = ssl.create_default_context(cafile=str(certificate))
        with trusting.get(place_of(f"https://tls.test:{server.port}/"), {}) as response:
            assert response.read() == b"safe"
        others = (trusting, "other.test"), (connections([["127.0.0.1"]]), "tls.test")
        for open_, host in others:
            place = place_of(f"https://{host}:{server.port}/")
            with pytest.raises(httpx.ConnectError, match="VERIFY_FAILED"), open_.get(place, {}):
                pass
            open_.close()
