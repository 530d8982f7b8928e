"""Bad and odd input through the real command line: a clear error, or the right result.

Each case is a row: what it is, the arguments (made in a folder of its own), the exit code,
and what the output must say. Whatever the input, there is no traceback; an error of usage
is one line on stderr, with nothing on stdout.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from waymark.bundle.format import encode
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app

CLASSES = 4
BUNDLE = encode(tiny_bundle(CLASSES))


class Kit:
    """Makes the input of a case in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle = self.write("tiny.waymark", BUNDLE)

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file, and the folders above it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def photo(self, name: str, mode: str = "RGB", **options: Any) -> Path:
        """Save a picture of soft blotches that goes with the name, as the name's format."""
        path = self.write(name, b"")
        picture(crc32(name.encode())).convert(mode).save(path, **options)
        return path

    def dataset(self, *labels: str, photos: int = 3) -> Path:
        """Make a folder of photos for each label."""
        for label in labels:
            for number in range(photos):
                self.photo(f"photos/{label}/{number}.png")
        (self.folder / "photos").mkdir(exist_ok=True)
        return self.folder / "photos"

    def manifest(self, text: str | bytes) -> Path:
        """Make a manifest beside one photo, a.png."""
        self.photo("a.png")
        return self.write("m.csv", text)

    def link(self, name: str, to: str) -> Path:
        """Make a symbolic link."""
        (self.folder / name).symlink_to(to)
        return self.folder / name


def picture(seed: int) -> Image.Image:
    """Draw soft blotches, unlike for unlike seeds."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((96, 72), Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Case:
    """One kind of input.

    Attributes:
        name: what is odd about it.
        arguments: made of a `Kit`.
        code: exit code.
        says: pattern that the output has.
        usage: Typer's own message, which has several lines.
    """

    name: str
    arguments: Callable[[Kit], list[Any]]
    code: int
    says: str = ""
    usage: bool = False


def predict(make: Callable[[Kit], Any], *options: Any) -> Callable[[Kit], list[Any]]:
    """Predict what is made, with the tiny bundle."""
    return lambda kit: ["predict", make(kit), "--json", "--bundle", kit.bundle, *options]


def with_bundle(make: Callable[[Kit], Any]) -> Callable[[Kit], list[Any]]:
    """Predict a good photo with the bundle that is made."""
    return lambda kit: ["predict", kit.photo("a.png"), "--bundle", make(kit)]


def train(make: Callable[[Kit], Any], *options: Any) -> Callable[[Kit], list[Any]]:
    """Train on what is made, on the fast path from the tiny bundle, into an empty folder."""
    return lambda kit: [
        *("train", make(kit), "--out", kit.folder / "run"),
        *(() if "--recipe" in options else ("--bundle", kit.bundle)),
        *(option(kit) if callable(option) else option for option in options),
    ]


def evaluate(make: Callable[[Kit], Any], *options: Any) -> Callable[[Kit], list[Any]]:
    """Evaluate the tiny bundle on what is made."""
    return lambda kit: [
        *("evaluate", kit.bundle, make(kit), "--json"),
        *(option(kit) if callable(option) else option for option in options),
    ]


def two(kit: Kit) -> Path:
    """Make a good dataset of two landmarks."""
    return kit.dataset("brick", "sand")


def known(kit: Kit) -> Path:
    """Make a good dataset of landmarks that the tiny bundle has."""
    return kit.dataset("landmark-0", "landmark-1")


def cut(kit: Kit, name: str = "cut.jpg") -> Path:
    """Make a JPEG without its second half."""
    path = kit.photo(name, quality=95)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def deep_png(kit: Kit) -> Path:
    """Make a PNG of 16-bit grey."""
    grey = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    Image.fromarray(grey).save(kit.folder / "deep.png")
    return kit.folder / "deep.png"


def film(kit: Kit) -> Path:
    """Make a GIF of three frames."""
    first, *more = [picture(seed) for seed in range(3)]
    first.save(kit.folder / "film.gif", save_all=True, append_images=more)
    return kit.folder / "film.gif"


def bomb(kit: Kit) -> Path:
    """Make a PNG whose header promises 60,000 x 60,000 pixels."""
    path = kit.photo("bomb.png")
    data = bytearray(path.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def fifo(kit: Kit) -> Path:
    """Make a named pipe that nobody writes to."""
    os.mkfifo(kit.folder / "pipe.jpg")
    return kit.folder / "pipe.jpg"


def folder_as_photo(kit: Kit) -> Path:
    """Make an empty folder that is named like a photo."""
    (kit.folder / "x.jpg").mkdir()
    return kit.folder / "x.jpg"


def rezipped(change: Callable[[dict[str, bytes]], None]) -> Callable[[Kit], Path]:
    """Make a bundle whose members were changed."""

    def make(kit: Kit) -> Path:
        with zipfile.ZipFile(io.BytesIO(BUNDLE)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return kit.write("odd.waymark", out.getvalue())

    return make


def newer(members: dict[str, bytes]) -> None:
    """Say that the bundle is of a later format."""
    values = json.loads(members["bundle.json"])
    members["bundle.json"] = json.dumps({**values, "format": 99}).encode()


def changed(members: dict[str, bytes]) -> None:
    """Change one byte in the middle of the model."""
    model = bytearray(members["model.onnx"])
    model[len(model) // 2] ^= 1
    members["model.onnx"] = bytes(model)


def damaged(kit: Kit) -> Path:
    """Change one byte of the file itself."""
    data = bytearray(BUNDLE)
    data[len(data) // 3] ^= 1
    return kit.write("odd.waymark", bytes(data))


def misfit(kit: Kit) -> Path:
    """Make weights of no network."""
    from safetensors.numpy import save_file

    save_file({"conv1.weight": np.zeros((4, 3, 3, 3), np.float32)}, kit.folder / "w.safetensors")
    return kit.folder / "w.safetensors"


def deep(*settings: str) -> list[str]:
    """Ask for a deep training that would be tiny."""
    plain = ("backbone=mobilenetv2_100", "start=random", "size=32", "workers=0", "compile=false")
    return [
        "--recipe",
        "finetune",
        *(word for setting in (*plain, *settings) for word in ("--set", setting)),
    ]


FILES = (
    Case("text named .jpg", predict(lambda k: k.write("a.jpg", "hello")), 1, "not a photo"),
    Case("PDF", predict(lambda k: k.write("a.pdf", "%PDF-1.7\n")), 1, "expected JPEG"),
    Case("empty file", predict(lambda k: k.write("a.jpg", "")), 1, "is empty"),
    Case("truncated photo", predict(cut), 1, "--allow-truncated"),
    Case("truncated photo, allowed", predict(cut, "--allow-truncated"), 0, '"known"'),
    Case("16-bit PNG", predict(deep_png), 0, '"known"'),
    Case("CMYK JPEG", predict(lambda k: k.photo("a.jpg", "CMYK")), 0, '"known"'),
    Case("grey with alpha", predict(lambda k: k.photo("a.png", "LA")), 0, '"known"'),
    Case("black and white", predict(lambda k: k.photo("a.tif", "1")), 0, '"known"'),
    Case("animated GIF", predict(film), 0, '"known"'),
    Case("PNG named .jpg", predict(lambda k: k.photo("a.png").rename(k.folder / "a.jpg")), 0),
    Case("no extension", predict(lambda k: k.photo("a.png").rename(k.folder / "a")), 0),
    Case("decompression bomb", predict(bomb), 1, "pixels"),
    Case("dangling link", predict(lambda k: k.link("l.jpg", "gone")), 1, "cannot be opened"),
    Case("link to itself", predict(lambda k: k.link("l.jpg", "l.jpg")), 1, "cannot be opened"),
    Case("missing file", predict(lambda k: k.folder / "no.jpg"), 1, "cannot be opened"),
    Case("name too long", predict(lambda k: k.folder / ("a" * 300)), 1, "cannot be opened"),
    Case("below a file", predict(lambda k: k.photo("a.png") / "b.png"), 1, "cannot be opened"),
    Case("named pipe", predict(fifo), 1, "is a pipe"),
    Case("device", predict(lambda _: "/dev/null"), 1, "pipe, socket or device"),
    Case("damaged EXIF", predict(lambda k: k.photo("a.jpg", exif=b"Exif\0\0MM no")), 0),
)
FOLDERS = (
    Case("empty folder", predict(lambda k: k.dataset()), 2, "no photos in"),
    Case("folder named x.jpg", predict(folder_as_photo), 2, "no photos in"),
    Case("empty dataset", train(lambda k: k.dataset()), 2, "no photos with a label"),
    Case("missing dataset", train(lambda k: k.folder / "no"), 2, "does not exist"),
    Case("photos without label", train(lambda k: k.photo("d/a.png").parent), 2, "label/photo.jpg"),
    Case("two levels", train(lambda k: k.dataset("x/a", "y/b")), 2, "--levels category,landmark"),
    Case("levels turned round", train(two, "--levels", "landmark,place"), 2, "place,landmark"),
    Case("levels that are not there", train(two, "--levels", "place,landmark"), 2, "misplaced"),
    Case("splits and more", train(lambda k: k.dataset("train/a", "b")), 2, "beside them, 'b'"),
    Case("one landmark", train(lambda k: k.dataset("brick")), 2, "at least two"),
    Case("one landmark, deep", train(lambda k: k.dataset("brick"), *deep()), 2, "at least two"),
    Case(
        "too few to validate",
        train(lambda k: k.dataset("a", "b", photos=1), *deep()),
        2,
        "0 photos for validation",
    ),
    Case("one photo a landmark", train(lambda k: k.dataset("a", "b", photos=1)), 0, "too few"),
    Case("a landmark of one photo", train(lambda k: k.photo("photos/c/0.png") and two(k)), 0),
    Case("only unknown", train(lambda k: k.dataset("unknown")), 2, "negatives"),
    Case(
        "no readable photo",
        evaluate(lambda k: k.write("d/landmark-0/a.png", b"\x89PNG\r\n\x1a\n\0\0").parent.parent),
        2,
        "none of the 1 photos",
    ),
    Case("no readable photo to train on", train(lambda k: cut(k, "d/a/a.jpg").parents[1]), 2),
    Case("negatives without photos", train(two, "--negatives", folder_as_photo), 2, "--negatives"),
    Case("missing negatives", train(two, "--negatives", "/no/such"), 2, "not a folder"),
)
TABLES = (
    Case("no label column", train(lambda k: k.manifest("path\na.png\n")), 2, "expected path,label"),
    Case("an empty table", train(lambda k: k.manifest("")), 2, r"columns \(none\)"),
    Case("absolute path", train(lambda k: k.manifest("path,label\n/a.png,x\n")), 2, "leads out"),
    Case("path upwards", train(lambda k: k.manifest("path,label\n../a.png,x\n")), 2, "leads out"),
    Case("only a missing file", train(lambda k: k.manifest("path,label\nb.png,x\n")), 2, "missing"),
    Case(
        "a missing file among good ones",
        evaluate(lambda k: k.manifest("path,label\nb.png,landmark-0\na.png,landmark-1\n")),
        0,
        '"n": 1,.*b.png',
    ),
    Case("not UTF-8", train(lambda k: k.manifest(b"path,label\na.png,\xff\n")), 2, "UTF-8"),
    Case("UTF-16", train(lambda k: k.manifest("path,label\n".encode("utf-16"))), 2, "UTF-8"),
    Case(
        "a split of no name", train(lambda k: k.manifest("path,label,split\na.png,x,dev")), 2, "dev"
    ),
    Case("too many cells", train(lambda k: k.manifest("path,label\na.png,x,y")), 2, "more cells"),
    Case("no Parquet", train(lambda k: k.write("m.parquet", "PAR1")), 2, "not a readable Parquet"),
    Case("a photo as dataset", train(lambda k: k.photo("a.png")), 2, "manifest ending in .csv"),
    Case(
        "levels of a table",
        train(lambda k: k.manifest("path,label\na.png,x\n"), "--levels", "place,landmark"),
        2,
        "leave --levels out",
    ),
    Case(
        "latitude beyond the pole",
        train(two, "--landmarks", lambda k: k.write("l.csv", "id,lat,lon\nbrick,91,0\n")),
        2,
        "-90 to 90",
    ),
    Case(
        "latitude in words",
        train(lambda k: k.write("photos/landmarks.csv", "id,lat,lon\na,north,0\n") and two(k)),
        2,
        "expected a number",
    ),
    Case(
        "an id twice",
        train(lambda k: k.write("photos/landmarks.csv", "id,name\na,A\na,B\n") and two(k)),
        2,
        "line 3: the id 'a' was used before",
    ),
    Case("no landmarks file", train(two, "--landmarks", "/no.csv"), 2, "cannot be read"),
)
BUNDLES = (
    Case("not a ZIP", with_bundle(lambda k: k.write("b.waymark", "hi")), 2, "not a whole bundle"),
    Case("an empty bundle", with_bundle(lambda k: k.write("b.waymark", "")), 2, "not a whole"),
    Case(
        "half a bundle", with_bundle(lambda k: k.write("b.waymark", BUNDLE[:900])), 2, "not a whole"
    ),
    Case("a newer format", with_bundle(rezipped(newer)), 2, "99"),
    Case("a changed member", with_bundle(rezipped(changed)), 2, "SHA-256"),
    Case("a changed byte", with_bundle(damaged), 2, "odd.waymark"),
    Case("a member too many", with_bundle(rezipped(lambda m: m.update(x=b""))), 2, "no bundle has"),
    Case(
        "a member upwards", with_bundle(rezipped(lambda m: m.update({"../x": b""}))), 2, "no bundle"
    ),
    Case(
        "no model", with_bundle(rezipped(lambda m: m.pop("model.onnx") and None)), 2, "lacks model"
    ),
    Case("no bundle of that name", with_bundle(lambda _: "wrold"), 2, "expected a .waymark file"),
    Case("a folder that is no run", with_bundle(lambda k: k.folder), 2, "a run folder with"),
    Case("a photo as bundle", with_bundle(lambda k: k.photo("b.png")), 2, "not a whole bundle"),
)
ARGUMENTS = (
    Case("k of 0", predict(lambda k: k.photo("a.png"), "-k", 0), 2, "at least 1 guess"),
    Case("k below 0", predict(lambda k: k.photo("a.png"), "-k", -3), 2, "at least 1 guess"),
    Case("k in words", predict(lambda k: k.photo("a.png"), "-k", "five"), 2, "'-k'", usage=True),
    Case("threshold of 2", predict(cut, "--unknown-threshold", 2), 2, "between 0"),
    Case("threshold of nan", predict(cut, "--unknown-threshold", "nan"), 2, "between 0"),
    Case("tta and fast", predict(cut, "--tta", "--fast"), 2, "choose one"),
    Case("no photo", lambda _: ["predict"], 2, "PHOTO", usage=True),
    Case("no such command", lambda _: ["pedict"], 2, "pedict", usage=True),
    Case("no such option", predict(cut, "--fsat"), 2, "--fsat", usage=True),
    Case("no such recipe", train(two, "--recipe", "finetun"), 2, "did you mean 'finetune'"),
    Case("no such recipe to print", lambda _: ["recipes", "liner"], 2, "did you mean 'linear'"),
    Case("no recipe file", train(two, "--recipe", "/no.toml"), 2, "cannot read the recipe"),
    Case("no such setting", train(two, "--set", "sed=1"), 2, "did you mean 'seed'"),
    Case("a setting without value", train(two, "--set", "seed"), 2, "not key=value"),
    Case("a setting of another type", train(two, "--set", "seed=one"), 2, "must be a int"),
    Case("a setting out of range", train(two, *deep("size=100")), 2, "multiple of 32"),
    Case("no such stage", train(two, *deep("stages.7.lr=1")), 2, "stages 0 to 1"),
    Case("no such backbone", train(two, *deep("backbone=resnet51")), 2, "did you mean 'resnet5"),
    Case("no such parent", train(two, "--bundle", "wrold"), 2, "no bundle 'wrold'"),
    Case("out is in use", train(lambda k: k.write("run/x", "") and two(k)), 2, "--resume"),
    Case("out is a file", train(lambda k: k.write("run", "") and two(k)), 2, "folder of its own"),
    Case("nothing to resume", train(two, "--resume"), 2, "no run to resume"),
    Case("resume what?", lambda k: ["train", two(k), "--resume"], 2, "--resume needs --out"),
    Case("missing weights", train(two, *deep(), "--weights", "/no.safetensors"), 2, "cannot read"),
    Case("weights that do not fit", train(two, *deep(), "--weights", misfit), 2, "do not fit"),
    Case("weights for the fast path", train(two, "--weights", misfit), 2, "give one"),
    Case("labels the bundle lacks", evaluate(two), 2, "brick, sand.*--absent-as-unknown"),
    Case("labels taken as unknown", evaluate(two, "--absent-as-unknown"), 0, '"n_unknown": 6'),
    Case("no such split", evaluate(known, "--split", "dev"), 2, "'dev'; it has no splits"),
    Case(
        "teach onto a file",
        lambda k: ["teach", k.bundle, two(k), "--out", k.bundle],
        2,
        "tiny.waymark exists",
    ),
    Case("nothing of that name", lambda _: ["landmarks", "zzzzzz"], 1, "no landmark is like"),
    Case("shares above 1", lambda k: ["data", "split", two(k), "--val", 1.5], 2, "val is 1.5"),
)
NEEDS_TORCH = {"missing weights", "weights that do not fit"}


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kit:
    """Return an empty folder to make input in; nothing is written anywhere else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    return Kit(tmp_path / "in")


def run(*words: Any) -> Result:
    """Run waymark; whatever happens, nothing but an exit code comes out."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert "Traceback" not in done.output
    return done


def check(case: Case, kit: Kit) -> None:
    """Hold a case to its row."""
    done = run(*case.arguments(kit))

    assert done.exit_code == case.code, done.output
    assert re.search(case.says, done.output), done.output
    if case.code == 2:
        assert done.stdout == ""
        if not case.usage:
            assert re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_odd_files(case: Case, kit: Kit) -> None:
    """A photo is read, or its line says why not and the exit code is 1."""
    check(case, kit)


@pytest.mark.parametrize("case", FOLDERS, ids=lambda case: case.name)
def test_odd_folders(case: Case, kit: Kit) -> None:
    """A folder of the wrong shape is met with the right one."""
    check(case, kit)


@pytest.mark.parametrize("case", TABLES, ids=lambda case: case.name)
def test_odd_tables(case: Case, kit: Kit) -> None:
    """A manifest or a landmarks file that is wrong is named, with the row where there is one."""
    check(case, kit)


@pytest.mark.parametrize("case", BUNDLES, ids=lambda case: case.name)
def test_odd_bundles(case: Case, kit: Kit) -> None:
    """A bundle that is not whole, or not what it says, is refused."""
    check(case, kit)


@pytest.mark.parametrize("case", ARGUMENTS, ids=lambda case: case.name)
def test_odd_arguments(case: Case, kit: Kit) -> None:
    """A mistyped or impossible argument is named, with what would be possible."""
    if case.name in NEEDS_TORCH:
        pytest.importorskip("torch")
    check(case, kit)


def test_the_table_is_long_and_its_names_differ() -> None:
    """At least thirty kinds of input, none of them twice."""
    names = [case.name for case in (*FILES, *FOLDERS, *TABLES, *BUNDLES, *ARGUMENTS)]

    assert len(names) == len(set(names)) >= 30


def test_more_guesses_than_landmarks_gives_all(kit: Kit) -> None:
    """k of 1,000 is no error."""
    done = run("predict", kit.photo("a.png"), "--bundle", kit.bundle, "--json", "-k", 1000)

    assert done.exit_code == 0
    assert len(json.loads(done.stdout)["predictions"]) == CLASSES


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_photo_gets_the_answer_of_the_upright_one(orientation: int, kit: Kit) -> None:
    """EXIF says how the camera was held; to the network it makes no difference."""
    turn = Image.Transpose
    turned = {  # the inverse of what EXIF asks a reader to do
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }
    upright = picture(1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright.save(kit.folder / "a.png")
    upright.transpose(turned[orientation]).save(kit.folder / "b.png", exif=exif)

    done = run("predict", "--json", "--bundle", kit.bundle, "a.png", "b.png")

    one, two = (json.loads(line) for line in done.stdout.splitlines())
    assert {**one, "photo": ""} == {**two, "photo": ""}


@pytest.mark.parametrize(
    "name", ["a b.png", "a\nb.png", "塔 Шпиль قلعة.png", "-k.png", "\x1b[2J.png", "a\udcff.png"]
)
def test_any_name_of_a_file_comes_back_as_it_was(name: str, kit: Kit) -> None:
    """Spaces, line breaks, other scripts, control codes and bytes that are no text at all."""
    path = kit.folder / name
    picture(0).save(path, "PNG")

    done = run("predict", "--json", "--bundle", kit.bundle, path)
    shown = run("predict", "--bundle", kit.bundle, path)

    assert json.loads(done.stdout)["photo"] == str(path)
    assert done.stdout.count("\n") == 1
    assert "\x1b" not in shown.stdout


def test_hostile_names_of_landmarks_survive_training(kit: Kit) -> None:
    """Labels are text in the report and the card, whatever they look like."""
    data = kit.dataset("<script>alert(1)</script>".replace("/", "∕"), "=1+1|x")

    done = run("train", data, "--bundle", kit.bundle, "--out", "run")

    assert done.exit_code == 0, done.output
    assert "<script>alert" not in Path("run/report.html").read_text(encoding="utf-8")


def test_a_folder_that_may_not_be_read_is_skipped_with_its_reason(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other folders are evaluated; root may read everything, so the refusal is made up."""
    data = known(kit)
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("landmark-1"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    done = run("evaluate", kit.bundle, data, "--json")

    figures = json.loads(done.stdout)
    assert figures["n"] == 3
    [skipped] = figures["skipped"]
    assert skipped["path"].endswith("landmark-1")
    assert "permission denied" in skipped["reason"]


def test_links_in_a_circle_are_walked_once(kit: Kit) -> None:
    """A folder that holds itself has its photos once."""
    data = known(kit)
    kit.link("photos/landmark-0/again", "..")

    done = run("evaluate", kit.bundle, data, "--json")

    figures = json.loads(done.stdout)
    assert figures["n"] == 6
    assert "read already" in figures["skipped"][0]["reason"]


def test_odd_files_in_a_dataset_are_rows_of_the_report(kit: Kit) -> None:
    """Training goes on without them, and says how many and why."""
    data = two(kit)
    cut(kit, "photos/brick/cut.jpg")
    kit.write("photos/brick/text.jpg", "hello")
    kit.write("photos/brick/empty.png", "")
    kit.write("photos/brick/notes.txt", "not named like a photo: passed over")
    kit.link("photos/brick/gone.jpg", "gone")
    os.mkfifo(data / "brick" / "pipe.jpg")

    done = run("train", data, "--bundle", kit.bundle, "--out", "run")

    assert done.exit_code == 0, done.output
    skipped = json.loads(Path("run/metrics.json").read_text())["skipped"]
    assert sorted(Path(row["path"]).name for row in skipped) == [
        *("cut.jpg", "empty.png", "gone.jpg", "pipe.jpg", "text.jpg"),
    ]
    assert all(row["reason"] for row in skipped)


@pytest.mark.parametrize(
    "arguments",
    [["--bundle", "wrold"], ["--recipe", "finetune", "--set", "backbone=resnet51"]],
    ids=["no parent", "no backbone"],
)
def test_a_training_that_never_began_leaves_no_folder(arguments: list[str], kit: Kit) -> None:
    """The same --out can be used again once the mistake is mended."""
    assert run("train", two(kit), "--out", "run", *arguments).exit_code == 2
    assert not Path("run").exists()
