"""Only http and https, and only the open internet."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.curate.address import BadAddress, is_public, place_of, resolve, same_url

INSIDE = """
127.0.0.1 127.8.8.8 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 0.0.0.0
100.64.0.1 224.0.0.1 240.0.0.1 255.255.255.255 192.0.2.1 198.18.0.1
:: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 fec0::1 2001:db8::1
::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 2002:7f00:1:: 2002:a00:1::
localhost 1.2.3 nonsense
"""
OUTSIDE = (
    "8.8.8.8 93.184.216.34 2001:4860:4860::8888 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::"
)


@pytest.mark.parametrize("address", INSIDE.split())
def test_what_is_not_public(address: str) -> None:
    """Private, loopback, link-local, reserved, and IPv6 that carries such."""
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_what_is_public(address: str) -> None:
    """The open internet, in both versions, and IPv4 inside IPv6."""
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_in_another_coat_is_the_same(ip: ipaddress.IPv4Address) -> None:
    """However IPv6 wraps an IPv4 address, it is as public as it was."""
    mapped, nat = f"::ffff:{ip}", ipaddress.IPv6Address(int(ip) | 0x64FF9B << 96)

    assert is_public(mapped) == is_public(str(nat)) == is_public(str(ip))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "only http"),
        ("ftp://host/x.jpg", "only http"),
        ("data:image/png;base64,AAAA", "only http"),
        ("//host/x.jpg", "only http"),
        ("x.jpg", "only http"),
        ("", "only http"),
        ("http://", "no host"),
        ("http:///x.jpg", "no host"),
        ("http://me:pass@host/x.jpg", "user name"),
        ("http://host:99999/", "well-formed"),
        ("http://[::1/x.jpg", "well-formed"),
        ("http://ho st/x.jpg", "well-formed"),
        ("http://host/\x00.jpg", "well-formed"),
        ("http://host/" + "a" * 9000, "well-formed"),
    ],
)
def test_bad_addresses_are_named(url: str, reason: str) -> None:
    """Each is refused with its reason, and with nothing else."""
    with pytest.raises(BadAddress, match=reason):
        place_of(url)


def test_the_parts_of_an_address() -> None:
    """Host in lower case and ASCII, port by scheme, fragment gone."""
    place = place_of(" HTTPS://Bücher.Example/ä?q=1#top ")

    assert place.url == "https://xn--bcher-kva.example/%C3%A4?q=1"
    assert (place.host, place.port, place.netloc) == ("xn--bcher-kva.example", 443, place.host)
    assert place_of("http://[::1]:8080/").origin == "http://[::1]:8080"


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60))
def test_nothing_but_a_bad_address_is_raised(text: str) -> None:
    """Whatever a list holds, it is an address or a BadAddress; the same form is kept twice."""
    for url in (text, f"http://{text}", f"http://host/{text}"):
        try:
            place = place_of(url)
        except BadAddress:
            assert same_url(url) == url.strip()
        else:
            assert place.host
            assert same_url(same_url(url)) == same_url(url)


def test_one_address_has_one_form() -> None:
    """Case of the host, the usual port and the fragment make no other address; a path does."""
    assert len({same_url(u) for u in ("http://A.b", "HTTP://a.B:80/", "http://a.b/#x")}) == 1
    assert same_url("http://a.b/X") != same_url("http://a.b/x")


def test_numbers_are_looked_up_before_they_are_judged() -> None:
    """2130706433 and 0x7f000001 are 127.0.0.1 to the system, and so to us."""
    for host in ("2130706433", "0x7f000001", "127.1"):
        assert not all(map(is_public, resolve(host, 80)))
