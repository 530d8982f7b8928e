"""The polite client: who it says it is, how it waits, how it goes on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from waymark.curate.answer import FetchFailed
from waymark.curate.fetch import Manners
from waymark.errors import ConfigError

BODY = bytes(range(256)) * 20_000  # 5 MB


def test_the_user_agent_is_as_wikimedia_asks() -> None:
    """name/version (contact) library/version."""
    agent = Manners(contact="ann@example.org").agent

    assert re.fullmatch(r"waymark/[\d.]+ \(ann@example\.org\) httpx/[\d.]+", agent)


@pytest.mark.parametrize(
    "wrong",
    [{"tries": 0}, {"pause": -1}, {"timeout": 0}, {"contact": "a\r\nX-Evil: 1"}, {"contact": "ü"}],
)
def test_impossible_manners(wrong: dict[str, Any]) -> None:
    """Values that make no sense, or would add a header, are refused."""
    with pytest.raises(ConfigError):
        Manners(**wrong)


def test_a_pause_between_two_requests_to_a_host(proof: Any, tmp_path: Path) -> None:
    """Each host has its own pace; robots.txt may ask for a slower one."""
    robots = {"delayed": lambda h: h.send(b"User-agent: *\nCrawl-delay: 9\n")}
    time_ = proof.Time()
    with proof.serving(lambda _, h: h.send(proof.photo()), robots=robots) as server:
        web = proof.web(time_, replace(proof.MANNERS, pause=3.0))
        for host in ("one", "two", "one", "delayed", "delayed"):
            web.photo(f"http://{host}.test:{server.port}/a", tmp_path / "a", max_bytes=99_999)
        web.close()

    # after each robots.txt, and between the photos of `delayed`; `one` had rested by then
    assert [round(seconds) for seconds in time_.slept] == [3, 3, 3, 9]
    assert all(headers["accept-encoding"] == "identity" for headers in server.seen)


def test_a_host_that_does_not_answer_is_left_alone(proof: Any, tmp_path: Path) -> None:
    """After three photos without an answer, the rest of that host costs no time."""
    time_ = proof.Time()
    web = proof.web(time_)
    reasons = []
    for _ in range(6):
        with pytest.raises(FetchFailed) as failed:
            web.get("http://refused.test:1/x")
        reasons.append(str(failed.value))
    web.close()

    assert reasons[:3] == ["no connection"] * 3
    assert all("left alone in this run" in reason for reason in reasons[3:])


def test_back_off_doubles(proof: Any) -> None:
    """Each try waits twice as long as the one before."""
    time_ = proof.Time()
    with proof.serving(lambda _, h: h.send(b"", status=502)) as server:
        web = proof.web(time_, replace(proof.MANNERS, tries=4, backoff=2.0, pause=0.0))
        with pytest.raises(FetchFailed, match="502"):
            web.get(f"http://a.test:{server.port}/")
        web.close()

    assert time_.slept == [2.0, 4.0, 8.0]


def ranged(handler: Any, *, cut: int | None, tag: str = '"one"', body: bytes = BODY) -> None:
    """Answer a range of a file, as servers do; break off after `cut` bytes."""
    asked = handler.headers.get("Range", "")
    start = int(re.findall(r"\d+", asked)[0]) if asked else 0
    same = handler.headers.get("If-Range") in (None, tag)
    start = start if asked and same else 0
    part = body[start:]
    more = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
    handler.begin(status=206 if start else 200, Content_Length=str(len(part)), ETag=tag, **more)
    handler.wfile.write(part[:cut])
    if cut is not None and cut < len(part):
        handler.hang_up()


def test_a_large_file_goes_on_where_it_broke_off(proof: Any, tmp_path: Path) -> None:
    """Cut off after every 1.5 MB, it comes whole, and no byte is sent twice."""
    time_ = proof.Time()
    with proof.serving(lambda _, h: ranged(h, cut=1_500_000)) as server:
        web = proof.web(time_, replace(proof.MANNERS, tries=2))
        web.download(f"http://a.test:{server.port}/f", tmp_path / "f", max_bytes=1 << 30)
        web.close()

    starts = [headers.get("range") for headers in server.seen]
    assert (tmp_path / "f").read_bytes() == BODY
    assert starts[0] is None
    assert len(starts) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f"]


def test_the_next_run_goes_on_too_unless_the_file_changed(proof: Any, tmp_path: Path) -> None:
    """What a run left is continued if the server says that the file is still the same."""
    answers = [{"cut": 2_000_000}, {"cut": None}, {"cut": 2_000_000}]
    answers.append({"cut": None, "tag": '"two"', "body": BODY[::-1]})
    with proof.serving(lambda _, h: ranged(h, **answers.pop(0))) as server:
        for expected in (BODY, BODY[::-1]):
            for turn in range(2):
                web = proof.web(proof.Time(), replace(proof.MANNERS, tries=1))
                url = f"http://a.test:{server.port}/f"
                if turn == 0:
                    with pytest.raises(FetchFailed, match="cut off"):
                        web.download(url, tmp_path / "f", max_bytes=1 << 30)
                else:
                    web.download(url, tmp_path / "f", max_bytes=1 << 30)
                web.close()
            assert (tmp_path / "f").read_bytes() == expected
            (tmp_path / "f").unlink()


@pytest.mark.parametrize("wrong", ["elsewhere", "refuses", "too large"])
def test_a_server_that_continues_wrongly(wrong: str, proof: Any, tmp_path: Path) -> None:
    """Another place, no such range, too large: never a file put together of wrong parts."""

    def behave(_: str, handler: Any) -> None:
        if "Range" not in handler.headers:
            ranged(handler, cut=1_500_000 if handler.asked == 1 else None)
        elif wrong == "elsewhere":
            handler.begin(status=206, Content_Range="bytes 7-99/100", Content_Length="3")
            handler.wfile.write(b"abc")
        elif wrong == "refuses":
            handler.send(b"", status=416)
        else:
            handler.begin(status=206, Content_Range="bytes 1500000-9/10", Content_Length="9" * 12)

    with proof.serving(behave) as server:
        web = proof.web(proof.Time())
        with pytest.raises(FetchFailed):
            web.download(f"http://a.test:{server.port}/f", tmp_path / "f", max_bytes=6_000_000)
        web.close()

    assert not (tmp_path / "f").exists()


def test_a_small_answer_is_bounded(proof: Any) -> None:
    """An interface that answers without end is cut short; `first` takes no more than it says."""
    with proof.serving(lambda _, h: proof._endless(h)) as server:
        web = proof.web(proof.Time())
        url = f"http://a.test:{server.port}/"
        assert len(web.get(url, first=1000).body) == 1000
        with pytest.raises(FetchFailed, match="more than 50,000 bytes"):
            web.get(url, max_bytes=50_000)
        web.close()
