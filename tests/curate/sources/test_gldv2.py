"""Photos of Google Landmarks v2, from a small copy of its layout."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest

from waymark.curate.collect import Caps, Report, collect
from waymark.curate.sources.gldv2 import Gldv2
from waymark.dataset.index import read_dataset
from waymark.errors import CollectError, ConfigError, UnknownName

LANDMARKS = {
    "7": ("Eiffel_Tower", "tower", "human-made"),
    "12": ("Tower_Bridge", "bridge", "human-made"),
    "99": ("Ch%C3%A2teau_d%27If", "castle", "human-made"),
    "5": ("Golden_Gate_Bridge", "bridge", "human-made"),
}
TARS = 6


class Mirror:
    """The dataset's tables and tars, as the project's page describes them."""

    def __init__(self, proof: Any, *, ordered: bool = True, photos: int = 48) -> None:
        rng = random.Random(1)
        ids = sorted(f"{rng.getrandbits(64):016x}" for _ in range(photos))
        self.labels = {name: list(LANDMARKS)[i % 4] for i, name in enumerate(ids)}
        if not ordered:
            rng.shuffle(ids)
        self.tar_of = {name: i * TARS // photos for i, name in enumerate(ids)}
        self.data = {name: proof.photo(i) for i, name in enumerate(ids)}
        self.served: dict[str, bytes] = {}
        for number in range(TARS):
            inside = sorted(name for name in ids if self.tar_of[name] == number)
            tar = _tar({name: self.data[name] for name in inside})
            self.served[f"/train/images_{number:03}.tar"] = tar
            said = f"{hashlib.md5(tar).hexdigest()}  images_{number:03}.tar\n"
            self.served[f"/md5sum/train/md5.images_{number:03}.txt"] = said.encode()
        page = "https://commons.wikimedia.org/wiki/File:"
        wiki = "http://commons.wikimedia.org/wiki/Category:"
        self.table(
            "train",
            "id,url,landmark_id",
            ((n, f"https://upload.example/{n}.jpg", of) for n, of in self.labels.items()),
        )
        self.table(
            "train_attribution",
            "id,url,author,license,title",
            (
                (n, f"{page}{n}.jpg", f"Ann, {i}", f"CC BY{'-SA' * (i % 2)} 3.0", f"File:{n}.jpg")
                for i, n in enumerate(self.labels)
            ),
        )
        self.table(
            "train_label_to_category",
            "landmark_id,category",
            ((of, wiki + facts[0]) for of, facts in LANDMARKS.items()),
        )
        self.table(
            "train_label_to_hierarchical",
            "landmark_id,category,supercategory,hierarchical_label,natural_or_human_made",
            ((of, wiki + f[0], f[1], f[1], f[2]) for of, f in LANDMARKS.items()),
        )

    def table(self, name: str, header: str, rows: Any) -> None:
        """Serve a CSV."""
        text = io.StringIO()
        csv.writer(text).writerows([header.split(","), *rows])
        self.served[f"/metadata/{name}.csv"] = text.getvalue().encode()

    def behave(self, _: str, handler: Any) -> None:
        """Send a file, or the beginning of one."""
        body = self.served.get(handler.path)
        if body is None:
            handler.send(b"<Error><Code>NoSuchKey</Code></Error>", status=404)
        elif asked := handler.headers.get("Range"):
            end = int(asked.rpartition("-")[2]) + 1
            part = body[:end]
            handler.send(part, status=206, Content_Range=f"bytes 0-{end - 1}/{len(body)}")
        else:
            handler.send(body)

    def tars_fetched(self, server: Any) -> list[int]:
        """Return the numbers of the tars that were fetched whole."""
        return [
            int(asked["path"][-7:-4])
            for asked in server.seen
            if asked["path"].endswith(".tar") and "range" not in asked
        ]


def _tar(photos: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        seen = set()
        for name, data in photos.items():
            for depth in (1, 2, 3):
                folder = "/".join(name[:depth])
                if folder not in seen:
                    seen.add(folder)
                    info = tarfile.TarInfo(f"./{folder}")
                    info.type = tarfile.DIRTYPE
                    tar.addfile(info)
            info = tarfile.TarInfo(f"./{name[0]}/{name[1]}/{name[2]}/{name}.jpg")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def run(proof: Any, tmp_path: Path) -> Any:
    """Return a function that collects from a mirror into tmp_path/out."""

    def collecting(
        mirror: Mirror, *landmarks: str, caps: Caps | None = None, **wanted: Any
    ) -> tuple[Report, Any]:
        with proof.serving(mirror.behave) as server:
            # the same address for each run: the plan is kept for it
            base = "http://gld.test"
            source = Gldv2(landmarks=landmarks, base=base, tars=TARS, **wanted)
            web = proof.web(proof.Time())
            ask = web._connections.get

            def there(place: Any, headers: Any) -> Any:
                from dataclasses import replace

                url = place.url.replace("gld.test/", f"gld.test:{server.port}/")
                return ask(replace(place, url=url, port=server.port), headers)

            web._connections.get = there
            report = collect(source, tmp_path / "out", web=web, caps=caps)
        return report, server

    return collecting


def test_one_landmark_whole(run: Any, proof: Any, tmp_path: Path) -> None:
    """Every photo of it, byte for byte, with author, licence and page; no tar stays."""
    mirror = Mirror(proof)
    report, _ = run(mirror, "Eiffel Tower")
    photos = read_dataset(tmp_path / "out" / "manifest.csv").photos
    wanted = {name for name, of in mirror.labels.items() if of == "7"}

    assert report.taken == len(photos) == len(wanted) == 12
    assert {p.label for p in photos} == {"eiffel_tower"}
    assert {p.path.read_bytes() for p in photos} == {mirror.data[name] for name in wanted}
    assert all((p.author or "").startswith("Ann, ") for p in photos)
    assert {p.licence for p in photos} == {"CC BY 3.0"}
    assert all("/wiki/File:" in (p.url or "") for p in photos)
    assert not list(tmp_path.rglob("*.tar*"))
    assert not list(tmp_path.rglob("train*.csv"))


def test_only_tars_that_hold_wanted_photos(run: Any, proof: Any) -> None:
    """Where ids are in order, a photo is looked for in its tar; the largest shares first."""
    mirror = Mirror(proof)
    for name, number in mirror.tar_of.items():
        mirror.labels[name] = "7" if number in (1, 4) else "12"
    mirror.table("train", "id,url,landmark_id", ((n, "", of) for n, of in mirror.labels.items()))
    report, server = run(mirror, "eiffel_tower=tour")

    assert sorted(mirror.tars_fetched(server)) == [1, 4]
    assert report.counts == {"tour": 16}


def test_without_an_order_every_tar_is_read(run: Any, proof: Any) -> None:
    """One by one, until nothing is missing; another run reads none again."""
    mirror = Mirror(proof, ordered=False)
    mirror.served["/train/images_000.tar"], order = _swapped(mirror, 0)
    report, server = run(mirror, "7")

    assert order
    assert report.taken == 12
    assert mirror.tars_fetched(server) == sorted(mirror.tars_fetched(server))
    report, server = run(mirror, "7")
    assert (report.taken, mirror.tars_fetched(server)) == (0, [])


def _swapped(mirror: Mirror, number: int) -> tuple[bytes, bool]:
    """Put a tar's greatest id first, so that the tars are in no order."""
    names = sorted((n for n, of in mirror.tar_of.items() if of == number), reverse=True)
    tar = _tar({name: mirror.data[name] for name in names})
    said = f"{hashlib.md5(tar).hexdigest()}  images_{number:03}.tar\n"
    mirror.served[f"/md5sum/train/md5.images_{number:03}.txt"] = said.encode()
    return tar, True


def test_a_tar_need_not_begin_with_its_smallest_id(run: Any, proof: Any) -> None:
    """A photo that is not where the order says is looked for in the tars beside."""
    mirror = Mirror(proof)
    for number in range(TARS):
        mirror.served[f"/train/images_{number:03}.tar"], _ = _swapped(mirror, number)
    report, _ = run(mirror, "Tower Bridge")

    assert report.taken == 12


def test_a_limit_needs_fewer_tars(run: Any, proof: Any) -> None:
    """When enough is there, no further tar is fetched; a later run takes the rest."""
    mirror = Mirror(proof)
    report, server = run(mirror, "Eiffel Tower", caps=Caps(per_label=2))
    assert report.counts == {"eiffel_tower": 2}
    assert len(mirror.tars_fetched(server)) == 1

    report, server = run(mirror, "Eiffel Tower")
    assert report.counts == {"eiffel_tower": 12}
    assert not [asked for asked in server.seen if asked["path"].endswith(".csv")]


def test_a_tar_with_a_wrong_md5_is_not_trusted(run: Any, proof: Any, tmp_path: Path) -> None:
    """It is named, nothing of it is taken, the others are; the next run fetches it again."""
    mirror = Mirror(proof)
    good = mirror.served["/train/images_002.tar"]
    mirror.served["/train/images_002.tar"] = good[:-1] + b"!"
    first, _ = run(mirror, "Eiffel Tower")
    mirror.served["/train/images_002.tar"] = good
    second, server = run(mirror, "Eiffel Tower")

    assert first.taken == 10
    assert ["MD5" in miss.reason for miss in first.failed] == [True]
    assert second.taken == 2
    assert mirror.tars_fetched(server) == [2]


def test_kinds_of_landmark_and_licences(run: Any, proof: Any, tmp_path: Path) -> None:
    """--category takes all landmarks of a kind; the licence filter holds."""
    mirror = Mirror(proof)
    report, _ = run(mirror, categories=("Bridge",), licences=frozenset(("cc-by-sa",)))
    photos = read_dataset(tmp_path / "out" / "manifest.csv").photos

    assert {p.label for p in photos} == {"tower_bridge", "golden_gate_bridge"}
    assert {p.category for p in photos} == {"Bridge"}
    assert {p.licence for p in photos} == {"CC BY-SA 3.0"}
    assert report.taken == 24


def test_names_with_accents_and_names_that_are_not_there(run: Any, proof: Any) -> None:
    """Escapes are undone; a wrong name gets the nearest one; no name is an error."""
    mirror = Mirror(proof)
    assert run(mirror, "Château d'If")[0].counts == {"chateau_d_if": 12}
    with pytest.raises(UnknownName, match="did you mean Eiffel Tower"):
        run(mirror, "Eifel Tower")
    with pytest.raises(UnknownName, match="category named cathedral"):
        run(mirror, categories=("cathedral",))
    with pytest.raises(ConfigError, match="--landmark"):
        Gldv2()


def test_tables_that_are_not_there(run: Any, proof: Any) -> None:
    """A mirror without the tables, or with other ones, is named."""
    mirror = Mirror(proof)
    del mirror.served["/metadata/train.csv"]
    with pytest.raises(CollectError, match=r"train\.csv: the server says 404"):
        run(mirror, "Eiffel Tower")
    mirror.served["/metadata/train.csv"] = b"<html>\n<p>hello\n"
    with pytest.raises(CollectError, match="not the table"):
        run(mirror, "Eiffel Tower")
