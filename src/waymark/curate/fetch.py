"""Ask servers politely, and believe nothing they answer before it is checked.

In:  a URL.
Out: a small answer in memory, a photo in a file, or a large file that may be continued.

One request at a time, a pause between two to the same host, robots.txt and X-Robots-Tag
honoured, Retry-After obeyed, back-off where a server is in trouble, limits on bytes, on time
and on redirects. Every hop of a redirect is checked as the first address was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import gaierror
from typing import TYPE_CHECKING, TypeVar

from waymark.curate import answer as answers
from waymark.curate.address import BadAddress, Place, Resolve, is_public, place_of, resolve, shown
from waymark.curate.answer import FetchFailed, Passing, TooLarge
from waymark.curate.connect import Connections
from waymark.curate.robots import CLOSED, MAX_BYTES, OPEN, Robots, forbids, read_robots
from waymark.errors import ConfigError
from waymark.progress import Progress, silent
from waymark.version import __version__

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
CONTACT = "https://github.com/waymark/waymark"
_MAX_SMALL = 64 << 20  # bytes of an answer kept in memory
_GAINED = 1 << 20  # bytes after which a download that broke off counts as getting on
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_SILENCES = 3  # photos in a row that a host may leave unanswered before it is left alone


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How to behave towards servers, and how much to put up with.

    Attributes:
        contact: address or page by which an operator reaches whoever runs this.
        pause: seconds between two requests to one host.
        tries: how often a request is made before it is given up.
        backoff: seconds before the second try; doubles with each further one.
        max_wait: longest wait, in seconds, that a server may ask for.
        timeout: seconds without a byte after which a connection is given up.
        max_seconds: how long one photo may take in all; slow drips end here.
        redirects: hops that are followed.
        allow_private: ask private, loopback and link-local addresses too.
    """

    contact: str = CONTACT
    pause: float = 0.5
    tries: int = 4
    backoff: float = 2.0
    max_wait: float = 120.0
    timeout: float = 30.0
    max_seconds: float = 300.0
    redirects: int = 5
    allow_private: bool = False

    def __post_init__(self) -> None:
        if self.tries < 1 or min(self.pause, self.backoff, self.max_wait, self.redirects) < 0:
            raise ConfigError("tries starts at 1; pause, backoff and the waits at 0 seconds.")
        if self.timeout <= 0 or self.max_seconds <= 0:
            raise ConfigError("timeout and max_seconds must be more than 0 seconds.")
        if not self.contact.isascii() or not self.contact.isprintable() or not self.contact:
            raise ConfigError(
                f"contact is {shown(self.contact)}; give a mail address or a page, in ASCII: it "
                "goes into the User-Agent, as Wikimedia and others ask."
            )

    @property
    def agent(self) -> str:
        """The User-Agent: `name/version (contact) library/version`."""
        import httpx

        return f"waymark/{__version__} ({self.contact}) httpx/{httpx.__version__}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A small answer: its status, headers (lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Web:
    """The polite client: one a run; remembers each host's pace and robots.txt.

    Attributes:
        received: bytes of photos received so far.
    """

    def __init__(
        self,
        manners: Manners | None = None,
        *,
        lookup: Resolve = resolve,
        public: Callable[[str], bool] = is_public,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.manners = manners or Manners()
        self.received = 0
        self._clock, self._sleep, self._now = clock, sleep, now
        self._connections = Connections(
            agent=self.manners.agent,
            timeout=self.manners.timeout,
            allow_private=self.manners.allow_private,
            lookup=lookup,
            public=public,
        )
        self._robots: dict[str, Robots] = {}
        self._unread: dict[str, str] = {}  # why a site's robots.txt cannot be had
        self._next: dict[str, float] = {}  # when a host may be asked again
        self._silent: dict[str, int] = {}

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    def wait(self, seconds: float) -> None:
        """Wait as long as a server asked for, if that is within `max_wait`."""
        if seconds > self.manners.max_wait:
            raise FetchFailed(f"the server asks to wait {seconds:.0f} s", again=True)
        self._sleep(seconds)

    def get(self, url: str, *, max_bytes: int = _MAX_SMALL, first: int | None = None) -> Answer:
        """Fetch a small answer into memory: of an interface, or a list. Not for photos.

        Args:
            url: what to ask. robots.txt is not asked: it speaks of pages, and these are
                interfaces made for programs.
            max_bytes: most bytes to take.
            first: take only so many bytes from the beginning.

        Raises:
            FetchFailed: no good answer, after all tries.
        """

        def once() -> Answer:
            headers = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
            with self._open(url, headers, robots=False) as found:
                body = bytearray()
                for chunk in answers.chunks(found, self._deadline()):
                    body += chunk
                    if first is not None and len(body) >= first:
                        del body[first:]
                        break
                    if len(body) > max_bytes:
                        raise TooLarge(f"more than {max_bytes:,} bytes")
                return Answer(
                    status=found.status_code, headers=dict(found.headers), body=bytes(body)
                )

        return self._persist(once)

    def photo(self, url: str, into: Path, *, max_bytes: int) -> None:
        """Fetch a photo into a file; what does not begin like one is not read on.

        Raises:
            FetchFailed: nothing usable came, after all tries; `into` is then gone.
        """

        def once() -> None:
            with self._open(url, {}, robots=True) as found, into.open("wb") as file:
                answers.check_length(found, max_bytes)
                size, head = 0, b""
                for chunk in answers.chunks(found, self._deadline()):
                    size += len(chunk)
                    self.received += len(chunk)
                    if size > max_bytes:
                        raise TooLarge(f"more than {max_bytes:,} bytes")
                    if len(head) < answers.HEAD:
                        head += chunk[: answers.HEAD - len(head)]
                        if len(head) == answers.HEAD:
                            answers.check_begins_like_photo(head, found)
                    file.write(chunk)
                answers.check_begins_like_photo(head, found)

        try:
            self._persist(once)
        except BaseException:
            into.unlink(missing_ok=True)
            raise

    def download(
        self, url: str, into: Path, *, max_bytes: int, progress: Progress = silent, what: str = ""
    ) -> None:
        """Fetch a large file; what an earlier run left of it is continued, not begun anew.

        Raises:
            FetchFailed: it did not come whole, after all tries; what came waits beside `into`.
        """
        part, tag = (into.with_name(into.name + end) for end in (".part", ".tag"))

        def once() -> None:
            same = tag.read_text("utf-8") if tag.exists() else ""
            start = at = part.stat().st_size if same and part.exists() else 0
            asked = {"Range": f"bytes={at}-", "If-Range": same} if at else {}
            try:
                with self._open(url, asked, robots=False) as found:
                    if not answers.continues(found, at):
                        start = at = 0
                    answers.check_length(found, max_bytes - at)
                    tag.write_text(answers.validator(found), "utf-8")
                    total = at + int(found.headers.get("content-length", -at))
                    with part.open("ab" if at else "wb") as file:
                        for chunk in answers.chunks(found, None):
                            at += len(chunk)
                            if at > max_bytes:
                                raise TooLarge(f"more than {max_bytes:,} bytes")
                            file.write(chunk)
                            progress(at >> 20, total >> 20, what or "fetching MB")
            except Passing as trouble:
                trouble.gained = at - start > _GAINED
                raise

        try:
            self._persist(once)
        except TooLarge:
            part.unlink(missing_ok=True)
            tag.unlink(missing_ok=True)
            raise
        part.replace(into)
        tag.unlink(missing_ok=True)

    def _persist(self, action: Callable[[], T]) -> T:
        """Do something until it works, backing off, as often as manners allow."""
        turn = 0
        while True:
            try:
                return action()
            except BadAddress as error:
                raise FetchFailed(str(error), again=False) from error
            except Passing as trouble:
                turn = 1 if trouble.gained else turn + 1
                wait = trouble.wait
                if wait is not None:
                    self._next[trouble.host] = self._clock() + wait
                if turn >= self.manners.tries or (wait or 0) > self.manners.max_wait:
                    if trouble.silent:
                        self._silent[trouble.host] = self._silent.get(trouble.host, 0) + 1
                    asks = f", and asks to wait {wait:.0f} s" if wait else ""
                    raise FetchFailed(f"{trouble}{asks}", again=True) from trouble
                if wait is None:
                    self._sleep(self.manners.backoff * 2.0 ** (turn - 1))

    @contextmanager
    def _open(
        self, url: str, headers: Mapping[str, str], *, robots: bool
    ) -> Iterator[httpx.Response]:
        """Ask for a URL and follow its redirects; give the good answer at the end."""
        place = place_of(url)
        seen = {place.url}
        for _ in range(self.manners.redirects + 1):
            rules = self._rules(place) if robots else OPEN
            if not rules.allows(place.url):
                if why := self._unread.get(place.origin):
                    raise FetchFailed(f"robots.txt cannot be had: {why}", again=True)
                raise FetchFailed("robots.txt keeps programs out", again=False)
            with self._ask(place, headers, rules.delay) as response:
                if response.status_code not in _REDIRECTS:
                    answers.check_status(response, place.host, self._now())
                    if word := forbids(response.headers.get_list("x-robots-tag")) if robots else "":
                        raise FetchFailed(f"its owner says {word}", again=False)
                    yield response
                    return
                place = self._hop(place, response.headers.get("location", ""))
            if place.url in seen:
                raise FetchFailed("redirected in a circle", again=False)
            seen.add(place.url)
        raise FetchFailed(f"redirected more than {self.manners.redirects} times", again=False)

    @contextmanager
    def _ask(
        self, place: Place, headers: Mapping[str, str], delay: float
    ) -> Iterator[httpx.Response]:
        """Wait for this host's turn, and send one request."""
        import httpx

        if self._silent.get(place.host, 0) >= _SILENCES:
            raise FetchFailed(
                f"{place.host} did not answer {_SILENCES} times; left alone in this run", again=True
            )
        due = self._next.get(place.host, 0.0) - self._clock()
        if due > self.manners.max_wait:
            raise FetchFailed(f"{place.host} asked to be left alone for {due:.0f} s", again=True)
        if due > 0:
            self._sleep(due)
        pause = max(self.manners.pause, min(delay, self.manners.max_wait))
        try:
            with self._connections.get(place, headers) as response:
                self._silent.pop(place.host, None)
                yield response
        except (httpx.TransportError, httpx.InvalidURL, gaierror) as error:
            raise answers.passing(error, place.host) from error
        finally:
            self._next[place.host] = self._clock() + pause

    def _rules(self, place: Place) -> Robots:
        """Return the robots.txt of a site, asked once a run."""
        if place.origin not in self._robots:
            self._robots[place.origin] = CLOSED  # should the asking itself be redirected here
            try:
                found = self.get(f"{place.origin}/robots.txt", first=MAX_BYTES)
                rules = read_robots(found.body.decode("utf-8", "replace"))
            except FetchFailed as error:
                # RFC 9309, 2.3.1: no file, no rules; a server in trouble, no entry
                rules = CLOSED if error.again else OPEN
                if error.again:
                    self._unread[place.origin] = str(error)
            self._robots[place.origin] = rules
        return self._robots[place.origin]

    def _hop(self, place: Place, location: str) -> Place:
        import httpx

        if not location:
            raise FetchFailed("redirected to nowhere", again=False)
        with suppress(httpx.InvalidURL, ValueError):
            return place_of(str(httpx.URL(place.url).join(location)))
        raise FetchFailed(f"redirected to {shown(location)}", again=False)

    def _deadline(self) -> Callable[[], None]:
        """Return what raises once a photo has taken too long."""
        end = self._clock() + self.manners.max_seconds

        def check() -> None:
            if self._clock() > end:
                raise FetchFailed(f"slower than {self.manners.max_seconds:g} s in all", again=True)

        return check
