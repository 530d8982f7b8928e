"""One request to one address that was checked before it was connected to.

In:  a `Place`, headers.
Out: httpx's response, open, its body not yet read.

A name is looked up, every address it has must be public (unless told otherwise), and the
connection goes to one of these very addresses, with the name in the Host header and in the
TLS handshake. Redirects, cookies and proxies of the environment are not followed.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from socket import gaierror
from typing import TYPE_CHECKING

from waymark.curate.address import BadAddress, Place, Resolve, is_public, resolve

if TYPE_CHECKING:
    import httpx

_KEPT = 8  # hosts whose connections stay open
_CONNECT = 10.0  # seconds; a host may have an address that leads nowhere, and another


class Connections:
    """Open connections, one small pool for each origin.

    Pools are not shared between names, as two names on one address would then share a
    connection whose certificate was checked for the first name only.
    """

    def __init__(
        self,
        *,
        agent: str,
        timeout: float,
        allow_private: bool = False,
        lookup: Resolve = resolve,
        public: Callable[[str], bool] = is_public,
    ) -> None:
        self._headers = {"User-Agent": agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._timeout = timeout
        self._allow_private = allow_private
        self._lookup = lookup
        self._public = public
        self._clients: OrderedDict[str, httpx.Client] = OrderedDict()
        self._tls: ssl.SSLContext | None = None

    @contextmanager
    def get(self, place: Place, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """Send a GET; give the response while the block runs.

        Raises:
            BadAddress: the host is, or may be, on a private network.
            socket.gaierror: the host is not known.
            httpx.TransportError: no connection, or no answer.
        """
        import httpx

        failure: httpx.TransportError | None = None
        for address in self._addresses(place):
            client = self._client(place)
            request = client.build_request(
                "GET",
                httpx.URL(place.url).copy_with(host=address),
                headers={**headers, "Host": place.netloc},
                extensions={"sni_hostname": place.host},
            )
            try:
                response = client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
                continue
            try:
                yield response
            finally:
                response.close()
            return
        raise failure or gaierror("the host has no address")

    def close(self) -> None:
        """Close every connection."""
        while self._clients:
            self._clients.popitem()[1].close()

    def _addresses(self, place: Place) -> list[str]:
        try:
            found = self._lookup(place.host, place.port)
        except UnicodeError as error:
            raise BadAddress("the host's name is malformed") from error
        if not self._allow_private and not all(map(self._public, found)):
            raise BadAddress(
                "the address leads to a private or loopback network; it is asked only with "
                "--allow-private"
            )
        return found

    def _client(self, place: Place) -> httpx.Client:
        import httpx

        if place.origin not in self._clients:
            self._tls = self._tls or httpx.create_ssl_context()  # SSL_CERT_FILE counts
            self._clients[place.origin] = httpx.Client(
                transport=httpx.HTTPTransport(
                    verify=self._tls,
                    trust_env=False,
                    limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
                ),
                headers=self._headers,
                timeout=httpx.Timeout(self._timeout, connect=min(self._timeout, _CONNECT)),
                follow_redirects=False,
                trust_env=False,
            )
            while len(self._clients) > _KEPT:
                self._clients.popitem(last=False)[1].close()
        self._clients.move_to_end(place.origin)
        client = self._clients[place.origin]
        client.cookies.clear()
        return client
