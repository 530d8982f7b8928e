"""Google's own client, pointed at the app, reads landmarks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from waymark.recognise.recogniser import Recogniser
from waymark.serve import vision

ANNOTATE = "/v1/images:annotate"


@pytest.fixture(scope="module")
def google(port: int) -> Iterator[Any]:
    """Return google-cloud-vision's client."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Google's libraries about themselves
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import vision

        client = vision.ImageAnnotatorClient(
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": f"http://127.0.0.1:{port}"},
            transport="rest",
        )
        yield client
        client.transport.close()


def test_google_s_client_detects_landmarks(
    google: Any, recogniser: Recogniser, jpeg: Callable[..., bytes]
) -> None:
    """Name, score, place and the photo's outline arrive in Google's own records."""
    from google.cloud import vision

    data = jpeg(2, (320, 200))
    said = google.landmark_detection(image=vision.Image(content=data))
    assert not said.error.message
    best = recogniser.predict(data, 1).predictions[0]
    first = said.landmark_annotations[0]
    assert first.description == best.name
    assert first.score == pytest.approx(best.score, abs=1e-4)
    corners = [(v.x, v.y) for v in first.bounding_poly.vertices]
    assert corners == [(0, 0), (320, 0), (320, 200), (0, 200)]
    if best.lat is not None:
        place = first.locations[0].lat_lng
        assert (place.latitude, place.longitude) == (best.lat, best.lon)


def test_google_s_client_sends_several(google: Any, jpeg: Callable[..., bytes]) -> None:
    """What is wrong with one is told in its place; the others are answered."""
    from google.cloud import vision

    kind = vision.Feature(type_=vision.Feature.Type.LANDMARK_DETECTION, max_results=1)
    other = vision.Feature(type_=vision.Feature.Type.FACE_DETECTION)
    asked = [
        {"image": {"content": jpeg(0)}, "features": [kind]},
        {"image": {"content": b"no photo"}, "features": [kind]},
        {"image": {"source": {"image_uri": "http://127.0.0.1/x.jpg"}}, "features": [kind]},
        {"image": {"content": jpeg(1)}, "features": [other]},
        {"image": {"content": jpeg(1)}, "features": [other, kind]},
    ]
    said = google.batch_annotate_images(requests=asked).responses
    assert [one.error.code for one in said] == [0, 3, 3, 12, 0]
    assert [len(one.landmark_annotations) for one in said] == [1, 0, 0, 0, 1]


def test_google_s_client_reads_our_errors(google: Any, jpeg: Callable[..., bytes]) -> None:
    """A request that is refused raises what it would raise of Google's."""
    from google.api_core.exceptions import BadRequest
    from google.cloud import vision

    kind = vision.Feature(type_=vision.Feature.Type.LANDMARK_DETECTION)
    asked = [{"image": {"content": b"x"}, "features": [kind]}] * 33
    with pytest.raises(BadRequest, match="more than 32 images"):
        google.batch_annotate_images(requests=asked)


def asking(data: bytes, kind: Any = "LANDMARK_DETECTION", **options: Any) -> dict[str, Any]:
    """Return a body with one request."""
    feature = {"type": kind, **options}
    content = base64.b64encode(data).decode()
    return {"requests": [{"image": {"content": content}, "features": [feature]}]}


@pytest.mark.parametrize("kind", ["LANDMARK_DETECTION", 2])
@pytest.mark.parametrize("query", ["", "?$alt=json;enum-encoding=int", "?key=AIza&alt=json"])
def test_features_by_name_or_number(
    client: TestClient, jpeg: Callable[..., bytes], kind: Any, query: str
) -> None:
    """And whatever Google's clients put into the address."""
    answer = client.post(ANNOTATE + query, json=asking(jpeg(), kind))
    assert answer.status_code == 200
    assert answer.json()["responses"][0]["landmarkAnnotations"]


def test_the_surest_guesses_only(client: TestClient, jpeg: Callable[..., bytes]) -> None:
    """At most maxResults, best first; after the first, none that is hardly likely."""
    for most in (1, 2, 50, 0, -1):
        answer = client.post(ANNOTATE, json=asking(jpeg(), maxResults=most))
        found = answer.json()["responses"][0]["landmarkAnnotations"]
        scores = [one["score"] for one in found]
        assert scores == sorted(scores, reverse=True)
        assert 1 <= len(scores) <= (most if most > 0 else 10)
        assert all(score >= 0.1 for score in scores[1:])
        assert all("mid" not in one for one in found)


def test_an_unknown_place_has_no_annotation(
    opened: Callable[..., Any], bundle_path: Any, jpeg: Callable[..., bytes]
) -> None:
    """An honest unknown is an empty response, as Google gives it."""
    with opened() as client:
        doubting = Recogniser.from_bundle(bundle_path, unknown_threshold=0.0)
        client.app.state.service.use(doubting)
        assert client.post(ANNOTATE, json=asking(jpeg())).json() == {"responses": [{}]}


def test_urlsafe_base64_is_read(client: TestClient, jpeg: Callable[..., bytes]) -> None:
    """As proto's JSON allows, with or without padding."""
    body = asking(jpeg())
    image = body["requests"][0]["image"]
    image["content"] = image["content"].replace("+", "-").replace("/", "_").rstrip("=")
    assert "landmarkAnnotations" in client.post(ANNOTATE, json=body).json()["responses"][0]


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", "null", "1", "[" * 100_000),
        *('{"requests": 1}', '{"requests": [1]}', '{"requests": [{"features": 1}]}'),
        *('{"requests": [{"features": [[]]}]}', '{"requests": [{"features": [{"type": {}}]}]}'),
        *('{"requests": [{"image": 1}]}', '{"requests": [{"image": {"content": 7}}]}'),
        '{"requests": [{"features": [{"type": 2, "maxResults": "x"}]}]}',
    ],
    ids=lambda body: body[:60],
)
def test_bodies_that_are_none(client: TestClient, body: str) -> None:
    """400, in the app's shape of errors, which Google's client reads."""
    answer = client.post(ANNOTATE, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid"


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"features": []},
        {"features": [{"type": "LANDMARK_DETECTION"}]},
        {"features": [{"type": 2}], "image": {"content": "é"}},
        {"features": [{"type": 2}], "image": {"content": "=A="}},
        {"features": [{"type": 2}], "image": {"source": {"gcsImageUri": "gs://x/y"}}},
    ],
    ids=json.dumps,
)
def test_strange_requests_have_an_error_each(client: TestClient, wanted: dict[str, Any]) -> None:
    """A `google.rpc.Status` in the response's place."""
    (said,) = client.post(ANNOTATE, json={"requests": [wanted]}).json()["responses"]
    assert set(said) == {"error"}
    assert said["error"]["code"] in (3, 12)
    assert said["error"]["message"]


def test_nothing_asked_nothing_said(client: TestClient) -> None:
    """An empty list is answered with one."""
    assert client.post(ANNOTATE, json={"requests": []}).json() == {"responses": []}


@pytest.mark.parametrize("many", ["{},", "[],", "0,", '{"a":[{}]},'])
def test_little_text_that_is_much_memory_is_not_read(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, many: str
) -> None:
    """Ten million empty objects fit into 32 MB of text, and take 700 MB as objects."""
    read: list[Any] = []
    monkeypatch.setattr(vision, "json", SimpleNamespace(loads=read.append))
    text = '{"requests":[' + many * 100_000 + "{}]}"
    assert client.post(ANNOTATE, content=text).status_code == 400
    assert not read
