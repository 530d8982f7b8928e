"""The whole check of a dataset: copies, leakage, places, classes, and what cannot be read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from waymark.bundle.format import Bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.curate.check import check_dataset
from waymark.curate.check_classes import FEW
from waymark.curate.check_place import FAR_M, distance
from waymark.curate.finding import KINDS, Check, Finding
from waymark.dataset.index import read_dataset
from waymark.errors import ConfigError, MissingExtra

Write = Callable[..., Path]
COPIES = ("exact-duplicate", "near-duplicate", "leakage", "few-photos")
FILES = ("unreadable", "truncated", "wrong-extension")


def textured(seed: int, size: tuple[int, int] = (120, 96)) -> Image.Image:
    """Draw a picture with detail of several sizes; unlike for unlike seeds."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells in (4, 12, 48):
        noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC), float)
    return Image.fromarray(np.clip(total / 3, 0, 255).astype(np.uint8))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that saves a picture in the dataset."""
    seeds = iter(range(10_000))

    def save(name: str, image: Image.Image | None = None, **options: Any) -> Path:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (image or textured(next(seeds))).save(path, **options)
        return path

    return save


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Return a network that knows nothing."""
    return tiny_bundle()


@pytest.fixture
def nobody_doubts(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand in for those who doubt labels and names; what they are asked is kept."""
    from waymark.curate import check_labels, check_names

    asked = SimpleNamespace(labels=[], names=[], similar=[], off={}, wrong={})

    def doubt(embeddings: np.ndarray, labels: np.ndarray, **options: Any) -> Any:
        asked.labels.append((embeddings, labels, options))
        off, wrong = np.zeros(len(labels), np.float32), np.zeros(len(labels), np.float32)
        suggested = np.full(len(labels), -1, np.intp)
        for place, value in asked.off.items():
            off[place] = value
        for place, (value, better) in asked.wrong.items():
            wrong[place], suggested[place] = value, better
        return check_labels.Doubts(off, wrong, suggested)

    def similar(names: Any, embeddings: np.ndarray, labels: np.ndarray) -> list[Any]:
        asked.names.append(tuple(names))
        return asked.similar

    monkeypatch.setattr(check_labels, "doubt_labels", doubt)
    monkeypatch.setattr(check_labels, "check_cleanlab", lambda: None)
    monkeypatch.setattr(check_names, "similar_classes", similar)
    return asked


def of_kind(check: Check, kind: str) -> list[Finding]:
    """Return the findings of one kind."""
    return [finding for finding in check.findings if finding.kind == kind]


def look_for(root: Path, kinds: tuple[str, ...], **options: Any) -> Check:
    """Check a folder for what needs no network."""
    return check_dataset(read_dataset(root, **options), kinds=kinds)


def test_a_clean_dataset(write: Write, tmp_path: Path) -> None:
    """Different sharp photos of enough number: nothing to say, whoever counts."""
    for label in ("a", "b"):
        for number in range(FEW):
            write(f"{label}/{number}.jpg")
    found = look_for(tmp_path / "set", (*COPIES, *FILES, "blurred", "dark", "blank", "tiny"))

    assert found.findings == ()
    assert found.photos == 2 * FEW
    assert found.dataset == str(tmp_path / "set")


def test_exact_copies_of_one_class(write: Write, tmp_path: Path) -> None:
    """Copies of a file and the same pixels in another file are one group; one is kept."""
    first = write("a/first.png")
    shutil.copy(first, first.with_name("a copy of first.png"))
    with Image.open(first) as image:
        image.save(first.with_name("first too.bmp"))
    write("a/other.png")
    (finding,) = of_kind(look_for(tmp_path / "set", COPIES), "exact-duplicate")

    assert finding.paths[-1] == "a/first.png"
    assert set(finding.paths[:-1]) == {"a/a copy of first.png", "a/first too.bmp"}
    assert finding.suggest == "drop"
    assert "different files" in finding.reason


def test_exact_copies_of_two_classes(write: Write, tmp_path: Path) -> None:
    """They are worse, the reason names both; without a network nobody says which is right."""
    shutil.copy(write("a/1.jpg"), write("b/1.jpg"))
    shutil.copy(write("c/1.jpg"), tmp_path / "set" / "c" / "2.jpg")
    between, within = of_kind(look_for(tmp_path / "set", COPIES), "exact-duplicate")

    assert between.severity > within.severity
    assert between.suggest == "review"
    assert "a and b" in between.reason
    assert "2 times in c" in within.reason


def test_near_copies(write: Write, tmp_path: Path) -> None:
    """A smaller, worse copy of a photo is dropped, the original kept; the mirrored is told."""
    image = textured(5000, (320, 240))
    write("a/large.jpg", image, quality=95)
    write("a/small.jpg", image.resize((200, 150)), quality=60)
    write("b/turned.jpg", image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((160, 120)))
    write("b/other.jpg")
    (finding,) = of_kind(look_for(tmp_path / "set", COPIES), "near-duplicate")

    assert finding.paths[-1] == "a/large.jpg"
    assert set(finding.paths) == {"a/large.jpg", "a/small.jpg", "b/turned.jpg"}
    assert "mirrored" in finding.reason
    assert finding.suggest == "review"


def test_what_is_kept_is_kept_by_all(write: Write, tmp_path: Path) -> None:
    """Of each group of copies one photo is dropped by none of the findings."""
    image = textured(6000, (320, 240))
    for name in ("train/a/1.png", "train/a/2.png", "test/a/3.png", "train/b/4.png"):
        write(name, image)
    write("train/b/small.jpg", image.resize((160, 120)), quality=60)
    write("test/b/soft.jpg", image.resize((240, 180)), quality=60)
    found = look_for(tmp_path / "set", COPIES)
    copies = [f for f in found.findings if f.kind != "few-photos"]
    dropped = {path for finding in copies for path in finding.paths[:-1]}
    (leak,) = of_kind(found, "leakage")

    assert leak.paths[-1] == "test/a/3.png"
    assert leak.paths[-1] not in dropped
    assert set(leak.paths[:-1]) == {
        "train/a/1.png",
        "train/a/2.png",
        "train/b/4.png",
        "train/b/small.jpg",
    }
    assert "train and test" in leak.reason


def test_groups_on_both_sides_of_a_split(write: Write, tmp_path: Path) -> None:
    """A visit whose photos are in train and in test is leakage to look at."""
    rows = ["path,label,split,group"]
    for number in range(6):
        path = write(f"{number}.jpg")
        split = "test" if number in (1, 2, 3) else "train"
        rows.append(f"{path.name},a,{split},visit-{number // 2}")
    (tmp_path / "set" / "table.csv").write_text("\n".join(rows))
    (finding,) = of_kind(look_for(tmp_path / "set" / "table.csv", COPIES), "leakage")

    assert finding.suggest == "review"
    assert "visit-0" in finding.reason
    assert set(finding.paths) == {"0.jpg", "1.jpg"}


def test_few_photos_counts_different_ones(write: Write, tmp_path: Path) -> None:
    """Copies do not make a class larger; photos of test are none to learn from."""
    path = write("a/0.png")
    for number in range(1, FEW + 5):
        shutil.copy(path, path.with_name(f"{number}.png"))
    for number in range(FEW):
        write(f"b/{number}.png")
    (finding,) = of_kind(look_for(tmp_path / "set", COPIES), "few-photos")

    assert finding.reason.startswith("a has 1 different")
    assert finding.severity == pytest.approx(1 - 1 / FEW)
    assert all(path.startswith("a/") for path in finding.paths)


def test_what_cannot_be_read(write: Write, tmp_path: Path) -> None:
    """Skipped files are findings by their names below the root; folders are a note."""
    write("a/fine.jpg")
    write("a/deep/er/lost.jpg")
    (tmp_path / "set" / "a" / "empty.jpg").touch()
    (tmp_path / "set" / "a" / "page.jpg").write_text("<html>")
    cut = write("a/cut.jpg")
    cut.write_bytes(cut.read_bytes()[:1000])
    found = look_for(tmp_path / "set", FILES)

    unreadable = {finding.paths[0] for finding in of_kind(found, "unreadable")}
    assert unreadable == {"a/empty.jpg", "a/page.jpg"}
    assert [finding.paths for finding in of_kind(found, "truncated")] == [("a/cut.jpg",)]
    assert found.photos == 4
    assert any("misplaced" in note for note in found.notes)


def test_rows_of_a_manifest_without_a_photo(write: Write, tmp_path: Path) -> None:
    """They are unreadable by the name that the table gives them."""
    write("a.jpg")
    table = tmp_path / "set" / "table.csv"
    table.write_text("path,label\na.jpg,x\ngone.jpg,x\na.jpg,x\n")
    found = check_dataset(read_dataset(table), kinds=FILES, source=table)

    assert [finding.paths for finding in found.findings] == [("gone.jpg",)]
    assert found.dataset == str(table)
    assert found.notes == ("1 left out: listed twice (a.jpg)",)


def test_negatives_are_looked_at(write: Write, tmp_path: Path) -> None:
    """A negative's faults are found, a copy of it in a class too; its path is absolute."""
    path = write("a/1.jpg")
    outside = tmp_path / "others" / "deep"
    outside.mkdir(parents=True)
    shutil.copy(path, outside / "same.jpg")
    (outside / "cut.jpg").write_bytes(path.read_bytes()[:900])
    found = look_for(tmp_path / "set", (*COPIES, *FILES), negatives=tmp_path / "others")

    assert found.photos == 3
    (truncated,) = of_kind(found, "truncated")
    assert truncated.paths == ((outside / "cut.jpg").as_posix(),)
    (same,) = of_kind(found, "exact-duplicate")
    assert set(same.paths) == {"a/1.jpg", (outside / "same.jpg").as_posix()}
    assert "unknown" in same.reason
    assert same.suggest == "review"


def test_far_from_where_it_stands(write: Write, tmp_path: Path) -> None:
    """A photo from another city is told with the distance; one from nearby is fine."""

    def placed(lat: float, lon: float) -> Image.Exif:
        exif = Image.Exif()
        exif.get_ifd(0x8825).update({1: "N", 2: (lat, 0.0, 0.0), 3: "E", 4: (lon, 0.0, 0.0)})
        return exif

    write("eiffel_tower/near.jpg", exif=placed(48.86, 2.30))
    write("eiffel_tower/far.jpg", exif=placed(41.89, 12.49))
    write("eiffel_tower/nowhere.jpg")
    write("somewhere/else.jpg", exif=placed(41.89, 12.49))
    (finding,) = look_for(tmp_path / "set", ("gps-far",)).findings

    assert finding.paths == ("eiffel_tower/far.jpg",)
    assert f"{distance((48.8584, 2.2945), (41.89, 12.49)) / 1000:,.0f} km" in finding.reason
    assert finding.suggest == "review"


def test_distance_is_that_of_the_sphere() -> None:
    """A quarter of the globe is 10,008 km; the date line is no border; the limit is in metres."""
    quarter = np.pi / 2 * 6_371_000

    assert distance((0, 0), (0, 90)) == pytest.approx(quarter)
    assert distance((0, 0), (90, 123)) == pytest.approx(quarter)
    assert distance((10, 179.99), (10, -179.99)) < FAR_M
    assert distance((52.1, -3.4), (52.1, -3.4)) == 0


def test_doubts_become_findings(
    write: Write, tmp_path: Path, bundle: Bundle, nobody_doubts: SimpleNamespace
) -> None:
    """Who is off topic, and who belongs elsewhere; of both the surer; blank ones are not asked."""
    for label in ("a", "b"):
        for number in range(4):
            write(f"{label}/{number}.png")
    write("a/blank.png", Image.new("RGB", (64, 64), "red"))
    write("unknown/dog.png")
    nobody_doubts.off = {0: 0.9, 1: 0.2}
    nobody_doubts.wrong = {1: (0.8, 1), 6: (0.7, 0)}
    found = check_dataset(read_dataset(tmp_path / "set"), bundle=bundle)

    assert [f.paths for f in of_kind(found, "off-topic")] == [("a/0.png",)]
    wrong = of_kind(found, "wrong-label")
    assert [(f.paths, f.label_suggested) for f in wrong] == [
        (("a/1.png",), "b"),
        (("b/2.png",), "a"),
    ]
    assert all(f.suggest == "relabel" for f in wrong)
    embeddings, labels, options = nobody_doubts.labels[0]
    assert labels.tolist() == [0] * 4 + [1] * 4
    assert embeddings.shape[0] == len(options["groups"]) == 8
    assert len(options["negatives"]) == 1 + len(bundle.statistics["negative_means"])
    assert embeddings.any(axis=1).all()


def test_two_names_of_one_landmark_are_one_class(
    write: Write, tmp_path: Path, bundle: Bundle, nobody_doubts: SimpleNamespace
) -> None:
    """The larger class's name is suggested; a photo of the one is not doubted for the other."""
    for number in range(5):
        write(f"badshahi_masjid/{number}.png")
    shutil.copy(write("badshahimosque/0.png"), tmp_path / "set" / "badshahi_masjid" / "9.png")
    write("other/0.png")
    nobody_doubts.similar = [(0, 1, 0.9, "the same letters"), (0, 2, 0.1, "often confused")]
    found = check_dataset(read_dataset(tmp_path / "set"), bundle=bundle)

    same, confused = of_kind(found, "similar-classes")
    assert confused.label_suggested is None
    assert same.label_suggested == "badshahi_masjid"
    assert same.paths[0].startswith("badshahimosque/")
    assert nobody_doubts.labels[0][1].tolist() == [0] * 7 + [1]
    (copy,) = of_kind(found, "exact-duplicate")
    assert copy.suggest == "drop"
    assert "two names of one landmark" in copy.reason


def test_copies_and_visits_are_judged_together(
    write: Write, tmp_path: Path, bundle: Bundle, nobody_doubts: SimpleNamespace
) -> None:
    """Copies, and photos of one group, have one number for the folds; others have their own."""
    names = [write(f"{number}.png").name for number in range(5)]
    shutil.copy(tmp_path / "set" / "0.png", tmp_path / "set" / "3.png")
    groups = ["", "visit", "", "visit", ""]
    rows = [f"{name},a,{group}" for name, group in zip(names, groups, strict=True)]
    (tmp_path / "set" / "table.csv").write_text("\n".join(["path,label,group", *rows]))
    check_dataset(read_dataset(tmp_path / "set" / "table.csv"), bundle=bundle)
    numbers = nobody_doubts.labels[0][2]["groups"]

    assert numbers[0] == numbers[1] == numbers[3]
    assert len(set(numbers.tolist())) == 3


def test_without_cleanlab(
    write: Write,
    tmp_path: Path,
    bundle: Bundle,
    nobody_doubts: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All but wrong labels is looked for, and a note says what is missing."""
    from waymark.curate import check_labels

    def absent() -> None:
        raise MissingExtra('pip install "waymark[clean]"')

    monkeypatch.setattr(check_labels, "check_cleanlab", absent)
    write("a/0.png")
    nobody_doubts.off = {0: 0.6}
    found = check_dataset(read_dataset(tmp_path / "set"), bundle=bundle)

    assert [f.severity for f in of_kind(found, "off-topic")] == [pytest.approx(0.6)]
    assert any("waymark[clean]" in note for note in found.notes)
    assert nobody_doubts.labels[0][2]["wrong_labels"] is False


def test_order_and_threads_do_not_matter(
    write: Write, tmp_path: Path, bundle: Bundle, nobody_doubts: SimpleNamespace
) -> None:
    """One thread and five find the same, by kind, the worst first, and report every photo."""
    for number in range(40):
        write(f"{'ab'[number % 2]}/{number}.jpg", textured(number % 30), quality=90)
    dataset = read_dataset(tmp_path / "set")
    heard: list[int] = []

    def progress(done: int, total: int, what: str) -> None:
        heard.append(done)

    one = check_dataset(dataset, bundle=bundle, workers=1, progress=progress)
    five = check_dataset(dataset, bundle=bundle, workers=5)

    assert one == five
    assert one.counts()["exact-duplicate"] == 10
    keys = [(KINDS.index(f.kind), -f.severity) for f in one.findings]
    assert keys == sorted(keys)
    assert max(heard) == 40
    first, second = (asked[0] for asked in nobody_doubts.labels)
    np.testing.assert_allclose(first, second, rtol=1e-5)


def test_names_of_any_bytes(write: Write, tmp_path: Path) -> None:
    """Names that are no text, or look like formulas or markup, go through unchanged."""
    names = ["=1+1.jpg", "<b>.jpg", "a\nb.jpg", "\udcff.jpg"]
    for name in names:
        write("a/x.jpg").rename(tmp_path / "set" / "a" / name)
    for name in names:
        path = tmp_path / "set" / "a" / name
        path.write_bytes(path.read_bytes()[:500])
    found = look_for(tmp_path / "set", FILES)
    found.write(tmp_path / "check.json")

    assert {finding.paths[0] for finding in found.findings} == {f"a/{name}" for name in names}


@pytest.mark.parametrize(
    ("options", "words"),
    [({"kinds": ("blury",)}, "blury"), ({"kinds": ()}, "no kind"), ({"workers": 0}, "workers")],
)
def test_impossible_wishes(write: Write, options: dict[str, Any], words: str) -> None:
    """A kind that is none, no kind, no thread: each is an error that says it."""
    root = write("a/0.jpg").parent.parent
    with pytest.raises(ConfigError, match=words):
        check_dataset(read_dataset(root), **{"kinds": COPIES, **options})


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", "cafe\u0301.jpg".encode()])
def test_broken_files_of_any_name_can_be_found_again(
    name: bytes, write: Write, tmp_path: Path
) -> None:
    """A finding has the name as it is on disk, not as it can be shown, which no file has."""
    write("a/0.jpg")
    file = Path(os.fsdecode(os.fsencode(tmp_path / "set" / "a") + b"/" + name))
    try:
        file.write_bytes(b"")
    except OSError:
        pytest.skip("a file system without such names")
    (finding,) = of_kind(look_for(tmp_path / "set", ("unreadable",)), "unreadable")
    assert tmp_path / "set" / finding.paths[0] == file


def test_a_file_is_kept_before_a_link_to_it(write: Write, tmp_path: Path) -> None:
    """Whatever their names: without the file the link would be lost as well."""
    file = write("a/a_long_name.jpg")
    (file.parent / "0.jpg").symlink_to(file.name)
    (finding,) = look_for(tmp_path / "set", ("exact-duplicate",)).findings
    assert finding.paths == ("a/0.jpg", "a/a_long_name.jpg")


def test_what_was_left_out_has_an_example(write: Write, tmp_path: Path) -> None:
    """One cannot look for a misplaced photo without its name."""
    write("a/0.jpg")
    write("loose.jpg")
    (note,) = look_for(tmp_path / "set", ("tiny",)).notes
    assert "misplaced" in note
    assert "loose.jpg" in note


def test_a_dataset_of_which_nothing_can_be_read(
    write: Write, tmp_path: Path, bundle: Bundle
) -> None:
    """Also where not one photo of many is looked at, all are listed."""
    for number in range(2):
        path = write(f"one/{number}.jpg")
        path.write_bytes(path.read_bytes()[:100])
    dataset = read_dataset(tmp_path / "set")
    found = check_dataset(dataset, bundle=bundle, kinds=("unreadable", "truncated")).findings
    assert len({path for finding in found for path in finding.paths}) == 2
