"""Tagging folders: what is read, what is not read again, what is kept, whatever happens."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from waymark.bundle.format import read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app
from waymark.errors import LibraryError
from waymark.library import tag as tag_module
from waymark.library import tag_work
from waymark.library.beside import sidecar_place
from waymark.library.store import Store
from waymark.library.store_query import Filter, Listed, every
from waymark.library.tag import TagReport, tag
from waymark.recognise.recogniser import Recogniser


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a tiny bundle."""
    path = tmp_path_factory.mktemp("bundle") / "tiny.waymark"
    write_bundle(path, tiny_bundle(4))
    return path


@pytest.fixture(scope="module")
def recogniser(bundle: Path) -> Recogniser:
    """Return the tiny bundle, loaded, for which nothing is unknown."""
    return Recogniser.from_bundle(bundle, unknown_threshold=1.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty library."""
    with Store.open(tmp_path / "library.sqlite") as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with three photos."""
    for number in range(3):
        save(tmp_path / "photos" / f"{number}.jpg", number)
    return tmp_path / "photos"


Run = Callable[..., TagReport]


@pytest.fixture
def run(store: Store, photos: Path, recogniser: Recogniser) -> Run:
    """Return a function that tags the folder."""

    def go(*sources: Path, **options: Any) -> TagReport:
        return tag(sources or [photos], store, **{"bundle": recogniser, "workers": 2} | options)

    return go


def save(
    path: Path, seed: int, *, taken: str | None = None, gps: tuple[float, float] | None = None
) -> Path:
    """Write a small photo of coloured noise, with capture time and place where given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize((90, 70))
    exif = image.getexif()
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    if gps is not None:
        place = exif.get_ifd(0x8825)
        place.update({1: "N" if gps[0] >= 0 else "S", 3: "E" if gps[1] >= 0 else "W"})
        place.update({2: (abs(gps[0]), 0.0, 0.0), 4: (abs(gps[1]), 0.0, 0.0)})
    image.save(path, "JPEG", exif=exif)
    return path


def listed(store: Store, **wanted: Any) -> dict[str, Listed]:
    """Return the library's photos by file name."""
    return {photo.path.name: photo for photo in every(store, Filter(**wanted))}


def work(report: TagReport) -> tuple[int, int, int, int]:
    """Return how many photos were recognised, reused, left unchanged, and failed."""
    return report.recognised, report.reused, report.unchanged, report.failed


def test_tags_are_the_predictions(run: Run, store: Store, photos: Path, bundle: Path) -> None:
    """A photo alone gets what `predict` says of it, known or unknown."""
    own = Recogniser.from_bundle(bundle)
    run(bundle=own, context=False)

    for name, photo in listed(store).items():
        said = own.predict(photos / name, k=3)
        best = said.predictions[0]
        assert photo.unknown_score == pytest.approx(said.unknown_score, abs=1e-4)
        assert photo.guesses[0][0].id == best.landmark
        assert photo.guesses[0][1] == pytest.approx(best.score, abs=1e-4)
        assert (photo.landmark is not None) == said.known
        if photo.landmark:
            assert photo.landmark.id == best.landmark
            assert (photo.evidence, photo.state) == ("photo", "new")
        assert photo.bundle == said.bundle


def test_unchanged_photos_are_not_opened(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run only looks at them; it does not even load the bundle."""
    assert work(run()) == (3, 0, 0, 0)
    monkeypatch.setattr(tag_module._Run, "recogniser", lambda _: pytest.fail("loaded"))
    assert work(run()) == (0, 0, 3, 0)


def test_moved_and_copied_photos_are_not_recognised_again(
    run: Run, store: Store, photos: Path
) -> None:
    """A moved one keeps its number and what a person said; a copy is like its original."""
    run()
    before = listed(store)
    store.correct(before["0.jpg"].id, "landmark-2")
    (photos / "deep").mkdir()
    (photos / "0.jpg").rename(photos / "deep" / "moved.jpg")
    shutil.copyfile(photos / "1.jpg", photos / "copy.jpg")
    os.utime(photos / "2.jpg", (1, 1))

    report = run()

    after = listed(store)
    assert work(report) == (0, 3, 1, 0)
    assert report.missing == 0
    assert set(after) == {"moved.jpg", "1.jpg", "2.jpg", "copy.jpg"}
    assert after["moved.jpg"].id == before["0.jpg"].id
    assert (after["moved.jpg"].state, after["moved.jpg"].landmark) == (
        "corrected",
        store.landmark("landmark-2"),
    )
    assert after["copy.jpg"].guesses == after["1.jpg"].guesses == before["1.jpg"].guesses


def test_a_changed_photo_is_recognised_anew(run: Run, store: Store, photos: Path) -> None:
    """What a person said of the picture that was there before goes with it."""
    run()
    before = listed(store)
    store.approve([before["0.jpg"].id])
    save(photos / "0.jpg", seed=99)

    assert work(run()) == (1, 0, 2, 0)
    after = listed(store)["0.jpg"]
    assert after.state == "new"
    assert after.guesses != before["0.jpg"].guesses


def test_rewritten_metadata_keeps_the_judgement(run: Run, store: Store, photos: Path) -> None:
    """Size and capture time tell that it is the same picture."""
    save(photos / "0.jpg", 0, taken="2024:05:17 18:30:00")
    run()
    store.correct(listed(store)["0.jpg"].id, "landmark-3")
    save(photos / "0.jpg", 0, taken="2024:05:17 18:30:00", gps=(1.0, 1.0))

    assert work(run()) == (1, 0, 2, 0)
    assert listed(store)["0.jpg"].state == "corrected"


def test_another_bundle_recognises_all_again(
    run: Run, store: Store, tmp_path: Path, recogniser: Recogniser
) -> None:
    """What a person said stays, even of a landmark that the other bundle lacks."""
    run()
    store.correct(listed(store)["0.jpg"].id, "landmark-3")
    write_bundle(tmp_path / "other.waymark", tiny_bundle(3, seed=5))

    assert work(run(bundle=tmp_path / "other.waymark")) == (3, 0, 0, 0)
    after = listed(store)
    assert {photo.bundle for photo in after.values()} == {
        read_bundle(tmp_path / "other.waymark").short_hash
    }
    assert after["0.jpg"].state == "corrected"
    assert after["0.jpg"].landmark == store.landmark("landmark-3")


def test_a_rejected_tag_stands_until_another_is_found(
    run: Run, store: Store, bundle: Path, tmp_path: Path
) -> None:
    """A bundle that says the same again is not heard; one that was taught better is."""
    run()
    first = listed(store)["0.jpg"]
    assert first.landmark is not None
    store.reject([first.id])
    again, better = tmp_path / "again.waymark", tmp_path / "better.waymark"
    write_bundle(again, replace(read_bundle(bundle), card="another file, the same head"))
    write_bundle(better, tiny_bundle(4, seed=9))

    for file, state in ((again, "rejected"), (better, "new"), (again, "rejected")):
        run(bundle=Recogniser.from_bundle(file, unknown_threshold=1.0))
        found = listed(store)["0.jpg"]
        assert found.state == state
        assert found.landmark is not None
        assert (found.landmark.id == first.landmark.id) == (state == "rejected")


def test_another_threshold_decides_anew_without_reading(
    run: Run, store: Store, bundle: Path
) -> None:
    """Unknown scores are kept, so only the decision is made again."""
    assert run(bundle=bundle, unknown_threshold=1.0).known == 3
    report = run(bundle=bundle, unknown_threshold=0.0)
    assert (work(report), report.known) == ((0, 0, 3, 0), 0)
    assert all(photo.landmark is None for photo in listed(store).values())


def test_photos_that_are_gone_are_marked(run: Run, store: Store, photos: Path) -> None:
    """They leave the lists, and are there again when they come back, without being read."""
    run()
    (photos / "0.jpg").rename(photos.parent / "0.jpg")
    assert run().missing == 1
    assert set(listed(store)) == {"1.jpg", "2.jpg"}
    (photos.parent / "0.jpg").rename(photos / "0.jpg")
    report = run()
    assert (report.missing, work(report)) == (0, (0, 0, 3, 0))
    assert set(listed(store)) == {"0.jpg", "1.jpg", "2.jpg"}


def test_of_what_cannot_be_looked_into_nothing_is_known(
    run: Run, store: Store, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos in a folder that cannot be read for a while are not taken for gone."""
    save(photos / "deep" / "a.jpg", 7)
    run()
    real = os.scandir

    def failing(folder: Any) -> Any:
        if folder == os.fsencode(photos / "deep"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", failing)
    (photos / "0.jpg").unlink()
    report = run()
    assert (report.missing, len(report.skipped)) == (1, 1)
    assert set(listed(store)) == {"1.jpg", "2.jpg", "a.jpg"}


def test_linked_folders_count(run: Run, store: Store, photos: Path) -> None:
    """Their photos are kept under their real paths, and are among those tagged, or gone."""
    disk = save(photos.parent / "disk" / "a.jpg", 7).parent
    (disk / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    (photos / "link").symlink_to("../disk")

    report = run()
    assert (report.photos, report.known, report.failed) == (5, 4, 1)
    assert len(listed(store, paths=tuple(map(Path, report.roots)))) == 5
    (disk / "a.jpg").unlink()
    assert run().missing == 1


def test_one_folder_says_nothing_of_another(run: Run, store: Store, photos: Path) -> None:
    """Tagging elsewhere neither marks nor counts what lies in the first folder."""
    run()
    other = save(photos.parent / "other" / "x.jpg", 7).parent
    report = run(other)
    assert (report.photos, report.missing, report.known) == (1, 0, 1)
    assert len(listed(store)) == 4


def test_broken_photos_are_rows_with_a_reason(run: Run, store: Store, photos: Path) -> None:
    """They are not read again until they change; then they are photos like any other."""
    bad = photos / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 nothing")

    assert work(run()) == (3, 0, 0, 1)
    assert work(run()) == (0, 0, 4, 1)
    assert "JPEG" in (listed(store, failed=True)["bad.jpg"].error or "")
    save(bad, 5)
    assert work(run()) == (1, 0, 3, 0)


def test_what_could_not_be_opened_is_tried_again(
    run: Run, store: Store, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that failed once is no reason to give a photo up."""
    real = os.open

    def failing(path: Any, *rest: Any, **options: Any) -> int:
        if isinstance(path, bytes) and path.endswith(b"1.jpg"):
            raise OSError(5, "Input/output error")
        return real(path, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        assert work(run()) == (2, 0, 0, 1)
    assert "Input/output error" in (listed(store, failed=True)["1.jpg"].error or "")
    assert work(run()) == (1, 0, 2, 0)


def test_names_of_any_bytes(run: Run, store: Store, photos: Path) -> None:
    """They are stored, listed and found again byte for byte."""
    name = b"caf\xe9 \n=1+1.jpg"
    (photos / "0.jpg").rename(photos / os.fsdecode(name))

    assert work(run()) == (3, 0, 0, 0)
    assert os.fsdecode(name) in listed(store)
    assert [os.fsencode(tagged.path.name) for tagged in store.tagged()][2] == name
    json.dumps([photo.to_dict() for photo in every(store)]).encode("ascii")


def test_the_folders_are_never_written_to(run: Run, photos: Path) -> None:
    """Nothing comes, nothing goes, nothing changes; a folder that may not be written does."""

    def state() -> list[Any]:
        return [(p.name, p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(photos.iterdir())]

    before = (state(), photos.stat().st_mtime_ns)
    photos.chmod(0o555)
    try:
        run()
        run(context=False)
    finally:
        photos.chmod(0o755)
    assert (state(), photos.stat().st_mtime_ns) == before


SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="79,59.9S"{more}>
 <exif:GPSLongitude>10,0,0E</exif:GPSLongitude></rdf:Description></rdf:RDF></x:xmpmeta>"""


def test_gps_is_kept_from_wherever_it_is(run: Run, store: Store, photos: Path) -> None:
    """The photo's own comes first, then the sidecar's, then Takeout's."""
    save(photos / "0.jpg", 0, gps=(48.0, 2.0))
    takeout = {"geoData": {"latitude": 1.0, "longitude": 2.0}}
    takeout["photoTakenTime"] = {"timestamp": "1546300800"}  # type: ignore[assignment]
    for name in ("0", "1", "2"):
        (photos / f"{name}.jpg.json").write_text(json.dumps(takeout))
    for name in ("0", "1"):
        (photos / f"{name}.jpg.xmp").write_text(SIDECAR.format(more=""))

    report = run()

    found = listed(store)
    assert report.with_gps == 3
    assert found["0.jpg"].gps == pytest.approx((48.0, 2.0))
    assert found["1.jpg"].gps == pytest.approx((-79.99833, 10.0), abs=1e-4)
    assert found["2.jpg"].gps == pytest.approx((1.0, 2.0))
    assert [found[f"{n}.jpg"].gps_from for n in range(3)] == ["exif", "sidecar", "takeout"]
    assert [found[f"{n}.jpg"].gps_says for n in range(3)] == ["disagree", "agree", "disagree"]
    assert str(found["2.jpg"].taken) == "2019-01-01 00:00:00+00:00"


def test_what_lies_beside_is_read_again_alone(run: Run, store: Store, photos: Path) -> None:
    """A sidecar that comes, changes or goes is noticed, and the photo is not recognised again."""
    run()
    sidecar = photos / "0.jpg.xmp"
    sidecar.write_text(SIDECAR.format(more=""))
    report = run()
    assert (work(report), report.with_gps) == ((0, 0, 2, 0), 1)
    assert listed(store)["0.jpg"].gps_from == "sidecar"
    sidecar.unlink()
    assert run().with_gps == 0


def test_our_own_estimate_is_not_taken_for_the_cameras(
    run: Run, store: Store, photos: Path
) -> None:
    """A position that waymark wrote proves nothing."""
    more = ' exif:GPSProcessingMethod="waymark estimate"'
    (photos / "0.jpg.xmp").write_text(SIDECAR.format(more=more))
    assert run().with_gps == 0


def test_what_write_adds_is_not_taken_for_the_cameras(run: Run, store: Store, photos: Path) -> None:
    """A whole round: tag, write with positions, tag again; nothing now carries a GPS position."""
    assert run(context=False).known == 3
    words = ["write", str(photos), "--library", str(store.path), "--min-score", "0"]

    done = CliRunner().invoke(app, [*words, "--write-gps", "--apply"])

    assert done.exit_code == 0, done.output
    sidecars = [path.read_text() for path in photos.glob("*.xmp")]
    assert sidecars
    assert all("GPSLatitude" in text for text in sidecars)
    assert (work(run()), run().with_gps) == ((0, 0, 3 - len(sidecars), 0), 0)


def test_positions_that_exiftool_writes_are_read(photos: Path, tool: Any) -> None:
    """An independent program writes the sidecar; the position is the one it was given."""
    sidecar = photos / "0.xmp"
    tags = ("-XMP:GPSLatitude=-33.85678", "-XMP:GPSLongitude=151.21533")
    command = [tool("exiftool"), "-q", *tags, str(sidecar)]
    subprocess.run(command, check=True, capture_output=True)

    assert sidecar_place(sidecar.read_bytes()) == pytest.approx((-33.85678, 151.21533), abs=1e-5)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_position_in_the_photos_own_xmp_is_read(
    run: Run, store: Store, photos: Path, form: str
) -> None:
    """As digiKam and others write it; what `write --embed` estimated is not the camera's."""
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        b'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,51.5N" %s'
        b'exif:GPSLongitude="2,17.6E"/></rdf:RDF></x:xmpmeta>'
    )
    ours = b'exif:GPSProcessingMethod="waymark estimate" '
    for name, more in (("placed", b""), ("estimate", ours)):
        file = photos / f"{name}.{form.lower()}"
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", (packet % more).decode())
        keep = {"pnginfo": info} if form == "PNG" else {"xmp": packet % more}
        Image.new("RGB", (80, 60), "red" if more else "blue").save(file, form, **keep)
    run()

    found = {name: photo.gps for name, photo in listed(store).items()}
    assert found[f"placed.{form.lower()}"] == pytest.approx((48.8583, 2.2933), abs=1e-4)
    assert found[f"estimate.{form.lower()}"] is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b"<not xml",
        b"\xff\xfe\x00",
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<a xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="99,0N"/>',
    ],
)
def test_strange_sidecars_say_nothing(run: Run, photos: Path, content: bytes) -> None:
    """Whatever is in them, the photo is tagged."""
    (photos / "0.jpg.xmp").write_bytes(content)
    report = run()
    assert (work(report), report.with_gps) == ((3, 0, 0, 0), 0)


def test_ctrl_c_keeps_what_is_done(
    run: Run, store: Store, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next run goes on from there."""
    monkeypatch.setattr(tag_work, "BATCH", 1)
    for number in range(3, 30):
        save(photos / f"{number}.jpg", number)

    def stop(done: int, total: int, what: str) -> None:
        if what == "tagging photos" and done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    assert len(listed(store)) == 9
    assert work(run()) == (21, 0, 9, 0)


def test_a_full_disk_stops_it_and_loses_nothing(
    run: Run, store: Store, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so; with room again, the next run finishes."""
    monkeypatch.setattr(tag_work, "BATCH", 4)
    run()
    for number in range(3, 60):
        save(photos / f"{number}.jpg", number)
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    store.connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    with pytest.raises(LibraryError, match="disk is full"):
        run()

    kept = len(listed(store))
    assert 3 < kept < 60
    assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.connection.execute("PRAGMA max_page_count = 100000")
    assert work(run()) == (60 - kept, 0, kept, 0)


def proof() -> Any:
    """Return benchmarks/proof_tag.py."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return import_module("proof_tag")
    finally:
        sys.path.remove(folder)


def test_kills_lose_nothing_and_do_nothing_twice(tmp_path: Path, bundle: Path) -> None:
    """The proof of benchmarks/proof_tag.py, with few kills."""
    it = proof()
    it.make_photos(tmp_path / "photos", 150)
    done = it.kill_often(
        tmp_path / "photos", tmp_path / "l.sqlite", bundle, kills=4, batch=8, rng=random.Random(1)
    )
    assert done["kills"] == 4


def test_two_at_once_share_the_work(tmp_path: Path, bundle: Path) -> None:
    """Both end well, and together they have done each photo once."""
    it = proof()
    for number in range(120):
        save(tmp_path / "photos" / f"{number}.jpg", number)
    first, second = it.share(tmp_path / "photos", tmp_path / "l.sqlite", bundle, batch=8)
    assert first[0] + second[0] == 120
    assert first[3] == second[3] == 0
    assert len(it.rows(tmp_path / "l.sqlite")) == 120
