"""Which addresses may be asked: http and https, and only machines on the open internet.

In:  a URL, as a list or a redirect gives it.
Out: its parts and the IP addresses that may be connected to.

The connection is made to the very address that was checked here, so a name that answers
differently the second time (DNS rebinding) gains nothing. Standard library only.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from waymark.errors import CollectError

Resolve = Callable[[str, int], list[str]]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_MAX_URL = 8_000  # characters; longer ones are mistakes, or data: in disguise


class BadAddress(CollectError):
    """A URL that is not to be asked; asking again would not help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a URL points.

    Attributes:
        url: the URL without its fragment.
        scheme: http or https.
        host: name or address, lower case, in ASCII.
        port: of the connection.
    """

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """What robots.txt and rate limits are kept for."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def netloc(self) -> str:
        """Host and, where it is not the usual one, port: the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


def place_of(url: str) -> Place:
    """Take a URL apart.

    Raises:
        BadAddress: not http or https, no host, a password in it, or malformed.
    """
    import httpx

    text = url.strip()
    scheme = text.partition(":")[0].lower() if ":" in text else ""
    if scheme not in ("http", "https"):
        raise BadAddress(f"only http and https addresses are asked, not {shown(scheme or text)}")
    if len(text) > _MAX_URL or not text.isprintable() or " " in text:
        raise BadAddress("not a well-formed address")
    try:
        parsed = httpx.URL(text)
        host, port = parsed.raw_host.decode("ascii"), parsed.port
        if not re.fullmatch(r"[\w.-]*", host, re.ASCII):
            host = str(ipaddress.IPv6Address(host.strip("[]")))
        if port is not None and not 0 < port < 65536:
            raise ValueError(f"port {port}")
    except (httpx.InvalidURL, ValueError, UnicodeError) as error:
        raise BadAddress(f"not a well-formed address ({error})") from error
    if not host:
        raise BadAddress("the address has no host")
    if parsed.userinfo:
        raise BadAddress("the address has a user name or a password in it")
    return Place(
        url=str(parsed.copy_with(fragment=None)),
        scheme=parsed.scheme,
        host=host.lower(),
        port=port or (443 if parsed.scheme == "https" else 80),
    )


def resolve(host: str, port: int) -> list[str]:
    """Look up the IP addresses of a host, in the order they should be tried.

    Raises:
        OSError: the name is not known, or no name server answers.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the open internet.

    Private, loopback, link-local, multicast and reserved ones are not, nor are IPv6
    addresses that only carry such an IPv4 address (mapped, 6to4, Teredo, NAT64).
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inside = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            inside.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if any(inner is not None and not is_public(str(inner)) for inner in inside):
            return False
        if ip in _NAT64 or ip.ipv4_mapped is not None:
            return True
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def same_url(url: str) -> str:
    """Return the form under which a URL is remembered: equal for what is one address."""
    try:
        parts = urlsplit(place_of(url).url)
    except BadAddress:
        return url.strip()
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", parts.query, ""))


def shown(text: str) -> str:
    """Return a short printable form of hostile text."""
    flat = "".join(c if c.isprintable() else "?" for c in text)
    return repr(flat if len(flat) <= 100 else flat[:97] + "...")
