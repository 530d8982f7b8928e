"""The REST API answers what the recogniser says, photo by photo, and errors in one shape."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from waymark.recognise.recogniser import Recogniser
from waymark.serve.schemas import AboutBundle, Failure, Landmarks, Predicted
from waymark.serve.service import metres

PREDICT = "/api/v1/predict"
IMAGE = {"Content-Type": "image/jpeg"}


def error_of(answer: Any) -> dict[str, Any]:
    """Return the error of an answer, which has the one shape of errors."""
    assert answer.headers["content-type"] == "application/json"
    Failure.model_validate(answer.json(), strict=True)
    assert list(answer.json()) == ["error"]
    assert set(answer.json()["error"]) == {"code", "message", "hint"}
    found: dict[str, Any] = answer.json()["error"]
    return found


def test_a_photo_by_itself(
    client: TestClient, recogniser: Recogniser, jpeg: Callable[..., bytes]
) -> None:
    """What `Recogniser.predict` says of it, and what the app adds."""
    (said,) = client.post(PREDICT, content=jpeg(), headers=IMAGE).json()["photos"]
    expected = recogniser.predict(jpeg(), 5).to_dict()
    assert said["heatmap"] is None
    assert said["camera"] is None
    for guess, right in zip(said["predictions"], expected["predictions"], strict=True):
        assert guess == right | {"score": pytest.approx(right["score"], abs=1e-5)} | {
            "distance_m": None
        }
    assert said["unknown_score"] == pytest.approx(expected["unknown_score"], abs=1e-5)
    same = ("photo", "known", "bundle")
    assert {key: said[key] for key in same} == {key: expected[key] for key in same}


def test_a_form_of_photos_is_answered_in_order(
    client: TestClient, recogniser: Recogniser, jpeg: Callable[..., bytes]
) -> None:
    """Each with its own answer or error, under the name that it came with."""
    files = [("photos", (f"{seed}.jpg", jpeg(seed))) for seed in range(12)]
    files.insert(3, ("photos", ("broken.jpg", jpeg(0)[:400])))
    answer = client.post(PREDICT, files=files, data={"k": "1"})
    assert answer.status_code == 200
    Predicted.model_validate(answer.json(), strict=True)
    said = answer.json()["photos"]
    assert [one["photo"] for one in said] == [name for _, (name, _) in files]
    assert said[3]["error"]["code"] == "truncated-photo"
    for seed, one in enumerate([*said[:3], *said[4:]]):
        best = recogniser.predict(jpeg(seed), 1).predictions[0]
        assert [guess["landmark"] for guess in one["predictions"]] == [best.landmark]
        assert one["predictions"][0]["score"] == pytest.approx(best.score, abs=1e-5)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_k_is_the_number_of_guesses(client: TestClient, jpeg: Callable[..., bytes], k: int) -> None:
    """By query or by field; a bundle of five landmarks has no more than five."""
    raw = client.post(f"{PREDICT}?k={k}", content=jpeg(), headers=IMAGE)
    form = client.post(PREDICT, files={"photos": jpeg()}, data={"k": str(k)})
    for answer in (raw, form):
        assert len(answer.json()["photos"][0]["predictions"]) == min(k, 5)


@pytest.mark.parametrize("k", ["0", "11", "-1", "x", "", "1e3", "²", "99999999999999999999"])
def test_a_k_that_cannot_be(client: TestClient, jpeg: Callable[..., bytes], k: str) -> None:
    """422, by query or by field; never what was sent."""
    raw = client.post(PREDICT, params={"k": k}, content=jpeg(), headers=IMAGE)
    form = client.post(PREDICT, files={"photos": jpeg()}, data={"k": k})
    for answer in (raw, form):
        assert answer.status_code == 422
        assert error_of(answer)["code"] == "invalid"


def test_a_heatmap_is_a_picture_of_the_photo(
    client: TestClient, jpeg: Callable[..., bytes]
) -> None:
    """A JPEG in the photo's aspect, in a data URL; and the answer is the same without."""
    data = jpeg(1, (300, 200))
    (said,) = client.post(f"{PREDICT}?explain=true", content=data, headers=IMAGE).json()["photos"]
    head, _, body = said["heatmap"].partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        assert (image.format, image.size) == ("JPEG", (300, 200))
    (plain,) = client.post(PREDICT, content=data, headers=IMAGE).json()["photos"]
    assert plain == said | {"heatmap": None}


def located(jpeg: bytes, lat: float, lon: float) -> bytes:
    """Return a photo with the place of its camera."""
    image = Image.open(io.BytesIO(jpeg))
    exif = Image.Exif()

    def dms(value: float) -> tuple[float, float, float]:
        value = abs(value)
        return (int(value), int(value * 60 % 60), value * 3600 % 60)

    exif.get_ifd(0x8825).update(
        {1: "N" if lat >= 0 else "S", 2: dms(lat), 3: "E" if lon >= 0 else "W", 4: dms(lon)}
    )
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    return file.getvalue()


def test_the_camera_s_place_is_used_only_if_asked(
    opened: Callable[..., Any], jpeg: Callable[..., bytes]
) -> None:
    """Then the answer has it, and how far each guess is from there."""
    data = located(jpeg(), 48.8606, 2.3376)
    with opened() as client:
        manifest = client.app.state.service.recogniser.bundle.manifest
        (plain,) = client.post(PREDICT, content=data, headers=IMAGE).json()["photos"]
        assert plain["camera"] is None
        assert all(guess["distance_m"] is None for guess in plain["predictions"])
        form = client.post(PREDICT, files={"photos": data}, data={"use_gps": "on"})
        (said,) = form.json()["photos"]
    assert said["camera"] == {
        "lat": pytest.approx(48.8606, abs=1e-4),
        "lon": pytest.approx(2.3376, abs=1e-4),
    }
    places = {one.id: (one.lat, one.lon) for one in manifest.landmarks}
    for guess in said["predictions"]:
        lat, lon = places[guess["landmark"]]
        far = None if lat is None else metres((48.8606, 2.3376), (lat, lon))
        assert guess["distance_m"] == (far if far is None else pytest.approx(far, abs=20))


def test_distances() -> None:
    """A quarter of a meridian is 10,000 km, nearly; antipodes are half the way round."""
    assert metres((0, 0), (90, 0)) == pytest.approx(10_007_557, rel=1e-3)
    assert metres((10, 20), (-10, -160)) == pytest.approx(20_015_115, rel=1e-3)
    assert metres((48.85, 2.29), (48.85, 2.29)) == 0


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "image/jpeg", 422, "unreadable-photo"),
        (b"hello", "image/jpeg", 422, "unreadable-photo"),
        (b"GIF89a", "application/octet-stream", 422, "truncated-photo"),
        (b"<svg onload=alert(1)>", "image/svg+xml", 422, "unreadable-photo"),
        (b"{}", "application/json", 415, "not-a-form"),
        (b"x", "text/html", 415, "not-a-form"),
        (b"x", "multipart/form-data", 400, "broken-form"),
        (b"a=b", "application/x-www-form-urlencoded", 422, "no-photo"),
    ],
)
def test_what_is_no_photo(
    client: TestClient, body: bytes, kind: str, status: int, code: str
) -> None:
    """A status that fits, and the code of the error."""
    answer = client.post(PREDICT, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)


def test_what_is_said_of_a_photo_is_for_callers(
    opened: Callable[..., Any], jpeg: Callable[..., bytes]
) -> None:
    """Options of the command line, and of the library, are no way out for them."""
    photo = jpeg(size=(400, 300))
    with opened(max_pixels=200 * 200) as client:
        for body in (photo[: len(photo) // 2], photo):
            said = error_of(
                client.post(PREDICT, content=body, headers={"Content-Type": "image/jpeg"})
            )
            assert said["message"].endswith((".", ")")), said
            assert not any(word in said["message"] for word in ("--", "limits.", "_truncated"))


def test_too_many_pixels(opened: Callable[..., Any], jpeg: Callable[..., bytes]) -> None:
    """The limit is the settings', and told before anything is decoded."""
    with opened(max_pixels=10_000) as client:
        answer = client.post(PREDICT, content=jpeg(size=(101, 100)), headers=IMAGE)
        assert answer.status_code == 413
        assert error_of(answer)["code"] == "photo-too-large"
        fits = client.post(PREDICT, content=jpeg(size=(100, 100)), headers=IMAGE)
        assert fits.status_code == 200


def test_too_many_bytes_or_photos(opened: Callable[..., Any], jpeg: Callable[..., bytes]) -> None:
    """Both have a limit of the settings'."""
    with opened(max_body=20_000, max_photos=2) as client:
        large = client.post(PREDICT, content=jpeg() + bytes(20_000), headers=IMAGE)
        assert (large.status_code, error_of(large)["code"]) == (413, "too-large")
        three = client.post(PREDICT, files=[("photos", jpeg())] * 3)
        assert (three.status_code, error_of(three)["code"]) == (413, "too-many")


def test_a_full_queue_says_when_to_come_back(
    opened: Callable[..., Any], jpeg: Callable[..., bytes]
) -> None:
    """503 and Retry-After, at once, while what is there is finished."""
    with opened(queue=3) as client:
        service = client.app.state.service
        service._photos = 3
        answer = client.post(PREDICT, content=jpeg(), headers=IMAGE)
        assert (answer.status_code, error_of(answer)["code"]) == (503, "busy")
        assert answer.headers["retry-after"].isdecimal()
        service._photos = 2
        assert client.post(PREDICT, content=jpeg(), headers=IMAGE).status_code == 200
        assert service._photos == 2
        service._photos = 0
        more = client.post(PREDICT, files=[("photos", jpeg())] * 5)  # alone, it is not turned away
        assert more.status_code == 200
        service.held = service.settings.max_held
        full = client.post(PREDICT, content=jpeg(), headers=IMAGE)
        assert (full.status_code, error_of(full)["code"]) == (503, "busy")
        service.held = 0


def test_file_names_are_text_and_no_more(client: TestClient, jpeg: Callable[..., bytes]) -> None:
    """A hostile name comes back as text of the JSON, without control characters, and cut."""
    names = ["<script>alert(1)</script>.jpg", "../../etc/passwd", "\u202egpj.exe", "a" * 1000]
    answer = client.post(PREDICT, files=[("photos", (name, jpeg())) for name in names])
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.isascii()
    said = [one["photo"] for one in answer.json()["photos"]]
    assert said[:2] == names[:2]
    assert "\u202e" not in said[2]
    assert len(said[3]) == 200


def test_landmarks_are_those_of_the_bundle(client: TestClient, recogniser: Recogniser) -> None:
    """In the order of the network's outputs."""
    answer = client.get("/api/v1/landmarks")
    Landmarks.model_validate(answer.json(), strict=True)
    said = answer.json()
    assert said["bundle"] == recogniser.bundle.short_hash
    assert [one["landmark"] for one in said["landmarks"]] == [
        one.id for one in recogniser.bundle.manifest.landmarks
    ]


def test_the_bundle_tells_what_it_is(client: TestClient, recogniser: Recogniser) -> None:
    """And the limits of this server; nothing of the machine."""
    answer = client.get("/api/v1/bundle")
    AboutBundle.model_validate(answer.json(), strict=True)
    said = answer.json()
    assert said["sha256"] == recogniser.bundle.sha256
    assert said["unknown_threshold"] == recogniser.threshold
    assert said["limits"]["pixels"] == 64_000_000


def test_ready_from_start_to_stop(opened: Callable[..., Any]) -> None:
    """Not before, and not once it is stopping; alive all the time."""
    with opened() as client:
        service = client.app.state.service
        assert client.get("/readyz").json() == {"status": "ready"}
        service.ready = False
        answer = client.get("/readyz")
        assert (answer.status_code, error_of(answer)["code"]) == (503, "not-ready")
        assert client.get("/healthz").json() == {"status": "alive"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", PREDICT, 405),
        ("POST", "/api/v1/landmarks", 405),
        ("PROPFIND", "/", 405),
        ("GET", "/docs", 404),
        ("GET", "/redoc", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/static/nothing.css", 404),
        ("GET", "/samples/6.jpg", 404),
    ],
)
def test_errors_have_one_shape(client: TestClient, method: str, path: str, status: int) -> None:
    """Also those of the framework under the app."""
    answer = client.request(method, path)
    assert answer.status_code == status
    assert error_of(answer)["message"]


def test_a_person_reads_errors_on_a_page(client: TestClient) -> None:
    """Who asks for HTML gets a page, but never from the API."""
    html = {"Accept": "text/html,*/*"}
    page = client.get("/nothing", headers=html)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "GET /" not in page.text  # a hint for programs
    assert error_of(client.get("/api/v1/nothing", headers=html))


def test_taught_bundles_take_over(
    opened: Callable[..., Any], recogniser: Recogniser, jpeg: Callable[..., bytes]
) -> None:
    """`Service.use` changes the recogniser between two photos."""
    from waymark.bundle.tiny import tiny_bundle

    other = Recogniser(tiny_bundle(2, seed=1), tta=True)
    with opened() as client:
        service = client.app.state.service
        assert client.get("/api/v1/bundle").json()["landmarks"] == 5
        service.use(other)
        assert client.get("/api/v1/bundle").json()["landmarks"] == 2
        (said,) = client.post(PREDICT, content=jpeg(), headers=IMAGE).json()["photos"]
    expected = other.predict(jpeg())
    assert len(said["predictions"]) == 2
    assert said["predictions"][0]["landmark"] == expected.predictions[0].landmark
