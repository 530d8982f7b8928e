"""Who may call, from where, and what every answer says: each promise, and each way round it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from waymark.recognise.recogniser import Recogniser
from waymark.serve.safety import CSP, HEADERS, host_check, hostname, same_host
from waymark.serve.settings import Settings
from waymark.serve.tokens import COOKIE

TOKEN = "open sesame, please"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
IMAGE = {"Content-Type": "image/jpeg"}
PREDICT = "/api/v1/predict"


@pytest.fixture(scope="module")
def locked(opened: Callable[..., Any]) -> Iterator[TestClient]:
    """Return a client of an app that asks for a token."""
    with opened(token=TOKEN) as found:
        yield found


@pytest.fixture
def session(locked: TestClient) -> Iterator[str]:
    """Log in; return the cookie."""
    answer = locked.post("/login", data={"token": TOKEN})
    assert answer.status_code == 303
    cookie = answer.cookies[COOKIE]
    locked.cookies.clear()
    yield cookie
    locked.cookies.clear()


HOSTILE = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "127.0.0.1:x"]
HOSTILE += ["user@127.0.0.1", "127.0.0.1 evil", "169.254.169.254", "[::1", "127.0.0.1/evil", "0"]


@pytest.mark.parametrize("host", HOSTILE)
@pytest.mark.parametrize("path", ["/", "/api/v1/landmarks", "/healthz", "/static/base.css"])
def test_a_rebound_name_is_refused(client: TestClient, host: str, path: str) -> None:
    """DNS rebinding: a page whose name leads to 127.0.0.1 still says its own name."""
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "wrong-host"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "[::1]:80", "LOCALHOST"]
)
def test_our_own_names_pass(client: TestClient, host: str) -> None:
    """Loopback by any of its names, with any port."""
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_network_is_called_by_address_or_given_name() -> None:
    """An address cannot be rebound; a name must be known."""
    ours = host_check(Settings(host="0.0.0.0", auth=False, allowed_hosts=("Photos.example.org",)))
    assert all(map(ours, ["192.168.1.2:8000", "photos.example.org", "[fe80::1]:8000", "localhost"]))
    assert not any(map(ours, ["evil.example", "org", "xphotos.example.org", ""]))


@pytest.mark.parametrize(
    ("given", "name"),
    [("A.b:80", "a.b"), ("[::1]", "::1"), ("a.b:", "a.b"), ("a@b", ""), ("a b", ""), ("a:b", "")],
)
def test_names_in_host_headers(given: str, name: str) -> None:
    """Nothing but a name and a port."""
    assert hostname(given) == name


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("https://photos.example", "photos.example", True),  # TLS ends at a proxy
        ("http://photos.example:80", "photos.example", True),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("http://localhost:8000", "127.0.0.1:8000", False),
        ("http://evil.example", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000.evil.example", "127.0.0.1:8000", False),
        ("null", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("file://", "127.0.0.1", False),
        ("chrome-extension://127.0.0.1", "127.0.0.1", False),
    ],
)
def test_what_the_same_host_is(origin: str, host: str, same: bool) -> None:
    """Name and port, whatever the scheme says of TLS."""
    assert same_host(origin, host) == same


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [PREDICT, "/", "/login", "/logout", "/v1/images:annotate", "/x"])
def test_cross_site_posts_are_refused(
    client: TestClient, jpeg: Callable[..., bytes], headers: dict[str, str], path: str
) -> None:
    """Whatever page of another site sends it, and to wherever."""
    answer = client.post(path, content=jpeg(), headers=IMAGE | headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "cross-site"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_every_method_that_writes_is_checked(client: TestClient, method: str) -> None:
    """Only GET, HEAD and OPTIONS are reads."""
    answer = client.request(method, "/api/v1/bundle", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
def test_our_own_pages_and_programs_pass(
    client: TestClient, jpeg: Callable[..., bytes], headers: dict[str, str]
) -> None:
    """A page of ours, and a program that says nothing of an origin."""
    assert client.post(PREDICT, content=jpeg(), headers=IMAGE | headers).status_code == 200


PRIVATE = ["/", "/landmarks", "/report", "/api/v1/landmarks", "/api/v1/bundle", "/metrics", "/x"]


@pytest.mark.parametrize("path", [*PRIVATE, "/api/v1/openapi.json", "/samples/1.jpg", "/loginx"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer "},
        {"Cookie": f"{COOKIE}={TOKEN}"},
        {"Cookie": f"{COOKIE}=9999999999.x.{64 * '0'}"},
    ],
    ids=str,
)
def test_without_the_token_nothing_is_told(
    locked: TestClient, path: str, headers: dict[str, str]
) -> None:
    """401, and how to show the token; in an address it is never looked for."""
    for query in ("", f"?token={TOKEN}&key={TOKEN}&access_token={TOKEN}"):
        answer = locked.get(path + query, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "token"


def test_posts_need_the_token_too(locked: TestClient, jpeg: Callable[..., bytes]) -> None:
    """And pass with it."""
    assert locked.post(PREDICT, content=jpeg(), headers=IMAGE).status_code == 401
    assert locked.post(PREDICT, content=jpeg(), headers=IMAGE | BEARER).status_code == 200


@pytest.mark.parametrize("path", PRIVATE[:-1])
def test_with_the_token_all_is_told(locked: TestClient, path: str) -> None:
    """As `Authorization: Bearer`, in any case."""
    for kind in ("Bearer", "bearer"):
        headers = {"Authorization": f"{kind} {TOKEN}"}
        assert locked.get(path, headers=headers).status_code == 200


def test_two_tokens_are_none(locked: TestClient) -> None:
    """A header that is there twice could be read in two ways."""
    headers = [("Authorization", "Bearer x"), ("Authorization", f"Bearer {TOKEN}")]
    assert locked.get("/metrics", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login", "/static/base.css"])
def test_some_things_need_no_token(locked: TestClient, path: str) -> None:
    """Monitors, and the page that asks for the token."""
    assert locked.get(path).status_code == 200


def test_a_person_is_led_to_the_login(locked: TestClient) -> None:
    """And back to where they wanted to go, without what stood in the query."""
    answer = locked.get("/landmarks?q=secret", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/landmarks"


def test_a_session_opens_all(locked: TestClient, session: str) -> None:
    """The cookie stands for the token, where it is sent."""
    headers = {"Cookie": f"{COOKIE}={session}"}
    assert locked.get("/landmarks", headers=headers).status_code == 200
    assert locked.get("/landmarks").status_code == 401


def test_a_session_without_origin_owes_the_form_s_token(
    locked: TestClient, session: str, jpeg: Callable[..., bytes]
) -> None:
    """Neither Origin nor Sec-Fetch-Site: the cookie alone is not enough to write."""
    cookie = {"Cookie": f"{COOKIE}={session}"}
    page = locked.get("/", headers=cookie).text
    csrf = page.split('name="csrf" content="')[1].split('"')[0]
    raw = {"content": jpeg()}
    assert locked.post(PREDICT, **raw, headers=cookie | IMAGE).status_code == 403
    wrong = {"X-CSRF-Token": "0" * 64}
    assert locked.post(PREDICT, **raw, headers=cookie | IMAGE | wrong).status_code == 403
    right = {"X-CSRF-Token": csrf}
    assert locked.post(PREDICT, **raw, headers=cookie | IMAGE | right).status_code == 200
    files = {"photos": ("a.jpg", jpeg())}
    for path in (PREDICT, "/"):
        refused = locked.post(path, files=files, headers=cookie)
        assert refused.status_code == 403, path
        assert locked.post(path, files=files, data={"csrf": "x"}, headers=cookie).status_code == 403
        passed = locked.post(path, files=files, data={"csrf": csrf}, headers=cookie)
        assert passed.status_code == 200, path
    assert locked.post("/logout", data={}, headers=cookie).status_code == 403
    assert locked.post("/logout", data={"csrf": csrf}, headers=cookie).status_code == 303


ANSWERS = [
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/static/base.css"),
    ("GET", "/samples/1.jpg"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/metrics"),
    ("GET", "/nowhere"),
    ("GET", "/static/../../settings.py"),
    ("POST", PREDICT),
    ("DELETE", PREDICT),
    ("OPTIONS", PREDICT),
    ("GET", "/api/v1/predict?k=x"),
]


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_every_answer_has_the_headers(client: TestClient, method: str, path: str) -> None:
    """Pages, files, errors: all of them."""
    answer = client.request(method, path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "cache-control" in answer.headers
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", [path for method, path in ANSWERS if method == "GET"])
def test_head_is_get_without_the_body(client: TestClient, path: str) -> None:
    """The same status and the same headers."""
    got, head = client.get(path), client.head(path)
    assert head.status_code == got.status_code
    moving = {"date", "content-length"} if path == "/metrics" else {"date"}
    keep = [{k: v for k, v in a.headers.items() if k not in moving} for a in (got, head)]
    assert keep[0] == keep[1]


def test_headers_are_there_when_the_app_fails(
    opened: Callable[..., Any], jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours is told in the usual shape, with all headers, and without a word of it."""
    monkeypatch.setattr(Recogniser, "answer_and_embed", lambda *_: 1 / 0)
    with opened() as broken:
        answer = broken.post(PREDICT, content=jpeg(), headers=IMAGE)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "division" not in answer.text
    assert answer.headers["content-security-policy"] == CSP


def test_csp_allows_nothing_inline_and_nobody_else() -> None:
    """Own files only; pictures may also be data, which cannot act."""
    rules = dict(rule.split(" ", 1) for rule in CSP.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert "unsafe" not in CSP
    assert "http" not in CSP


def test_cors_is_off(client: TestClient, jpeg: Callable[..., bytes]) -> None:
    """No answer tells a browser to let another site read it."""
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (
        client.options(PREDICT, headers=asked),
        client.get("/api/v1/landmarks", headers={"Origin": "http://evil.example"}),
        client.post(PREDICT, content=jpeg(), headers=IMAGE | {"Origin": "http://127.0.0.1"}),
    ):
        assert not any(name.startswith("access-control-") for name in answer.headers)


def test_cors_can_be_opened_to_a_named_site(
    opened: Callable[..., Any], jpeg: Callable[..., bytes]
) -> None:
    """That site, and no other; and never with cookies."""
    friend = {"Origin": "https://friend.example"}
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    with opened(token=TOKEN, cors_origins=("https://friend.example",)) as shared:
        before = shared.options(PREDICT, headers=friend | asked)
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == friend["Origin"]
        passed = shared.post(PREDICT, content=jpeg(), headers=friend | IMAGE | BEARER)
        assert passed.status_code == 200
        assert passed.headers["access-control-allow-origin"] == friend["Origin"]
        assert "access-control-allow-credentials" not in passed.headers
        assert shared.post(PREDICT, content=jpeg(), headers=friend | IMAGE).status_code == 401
        evil = {"Origin": "https://evil.example"}
        refused = shared.post(PREDICT, content=jpeg(), headers=evil | IMAGE | BEARER)
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../settings.py",
        "/static/%2e%2e/settings.py",
        "/static/..%2fsettings.py",
        "/static/%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/base.css%00.py",
        "/samples/../settings.py",
        "/samples/..%2f1.jpg",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_paths_lead_nowhere_else(client: TestClient, path: str) -> None:
    """No path reaches a file that is not meant to be read."""
    answer = client.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text
    assert "import" not in answer.text


def writes(app: Any) -> set[str]:
    """Return the paths of all routes that a POST can be sent to, with a number for what varies."""
    found: set[str] = set()
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        waiting += getattr(getattr(route, "original_router", None), "routes", [])
        if "POST" in (getattr(route, "methods", None) or ()):
            found.add(re.sub(r"\{[^}]*\}", "1", route.path))
    return found


def test_no_route_forgets_the_form_s_token(opened: Callable[..., Any], tmp_path: Path) -> None:
    """Every route that writes refuses a session's form without its token, Teach's too."""
    with opened(token=TOKEN, allow_teach=True) as client:
        assert client.post("/login", data={"token": TOKEN}).status_code == 303
        paths = writes(client.app)
        assert {"/", "/login", "/logout", PREDICT} < paths
        assert any("teach" in path for path in paths)
        for path in paths:
            form = client.post(path, data={"csrf": "x", "k": "1"})
            files = client.post(path, data={"csrf": "x"}, files={"photos": ("a.jpg", b"x")})
            plain = client.post(path, content=b"x", headers=IMAGE)
            for answer in (form, files, plain):
                assert answer.status_code == 403, path
                assert answer.json()["error"]["code"] == "csrf"


def test_a_named_site_calls_with_the_token_and_never_with_the_cookie(
    opened: Callable[..., Any], jpeg: Callable[..., bytes]
) -> None:
    """A site of the same domain would have the browser send it along."""
    friend = {"Origin": "https://friend.example", "Sec-Fetch-Site": "same-site"}
    with opened(token=TOKEN, cors_origins=("https://friend.example",)) as shared:
        assert shared.post("/login", data={"token": TOKEN}).status_code == 303  # the cookie stays
        own = {"Origin": "http://127.0.0.1"}
        for more, status in ((own, 200), (friend, 401), (friend | BEARER, 200)):
            answer = shared.post(PREDICT, content=jpeg(), headers=IMAGE | more)
            assert answer.status_code == status, more
