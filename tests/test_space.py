"""The Space: what is in its folder, and the app, started in an environment of its own."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner

import waymark
from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app as commands
from waymark.errors import BundleError, ConfigError, RunError, UnreadablePhoto
from waymark.samples import SAMPLES, render
from waymark.space import GRADIO, write_space
from waymark.space_source import read_sources

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = (
    '<img src=x onerror="window.pwned=1">',
    "${window.pwned=2} {{window.pwned}}",
    "[a](javascript:window.pwned=3) $\\href{javascript:alert(1)}{x}$",
    "</script><script>window.pwned=4</script>",
    "Twin",
    "Twin",
)
TITLE = 'A "title": </title><script>window.pwned=5</script> \' {count} ${x} \\'
EXIF_GPS, ORIENTATION = 0x8825, 0x0112


def make_bundle(path: Path, names: tuple[str, ...] = HOSTILE, *, threshold: float = 1.0) -> Path:
    """Write a tiny bundle with landmarks of these names."""
    made = tiny_bundle(len(names))
    task = made.manifest.tasks[0]
    classes = tuple(replace(c, name=n, place=n) for c, n in zip(task.classes, names, strict=True))
    manifest = replace(
        made.manifest,
        tasks=(replace(task, classes=classes), *made.manifest.tasks[1:]),
        unknown=replace(made.manifest.unknown, threshold=threshold),
    )
    write_bundle(path, replace(made, manifest=manifest))
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a bundle whose landmarks have hostile names, and known ones only."""
    return make_bundle(tmp_path_factory.mktemp("bundle") / "hostile.waymark")


@pytest.fixture(scope="module")
def space(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of its Space."""
    return write_space(bundle, tmp_path_factory.mktemp("spaces") / "space", title=TITLE)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by its path in there."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def header(space: Path) -> dict[str, str]:
    """Return the header of a Space's README, values as written."""
    _, block, _ = (space / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return dict(line.split(": ", 1) for line in block.splitlines())


def requirements(space: Path) -> dict[str, str]:
    """Return the version range of each requirement."""
    lines = (space / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(re.fullmatch(r"([a-z-]+)(>=.+,<.+)", line).groups() for line in lines)  # type: ignore[union-attr]


def test_the_folder_is_complete(space: Path, bundle: Path) -> None:
    """The header names the app, the bundle is the one given, and five examples are photos."""
    head = header(space)

    assert head["sdk"] == "gradio"
    assert (space / head["app_file"]).is_file()
    assert (space / "model.waymark").read_bytes() == bundle.read_bytes()
    examples = sorted((space / "examples").iterdir())
    assert [waymark.load(bundle).predict(path).known for path in examples] == [True] * 5
    assert "MIT License" in (space / "LICENSE").read_text(encoding="utf-8")
    assert "*.waymark filter=lfs" in (space / ".gitattributes").read_text(encoding="utf-8")


def test_examples_are_what_the_bundle_knows(tmp_path: Path) -> None:
    """Rendered landmarks that it was taught come first."""
    made = tiny_bundle(2)
    task = made.manifest.tasks[0]
    taught = tuple(
        replace(known, id=name) for known, name in zip(task.classes, SAMPLES[-2:], strict=True)
    )
    manifest = replace(made.manifest, tasks=(replace(task, classes=taught),))
    write_bundle(tmp_path / "b.waymark", replace(made, manifest=manifest))

    folder = write_space(tmp_path / "b.waymark", tmp_path / "space")

    small = [Image.open(folder / "examples" / f"{n}.jpg").resize((8, 6)) for n in (1, 2)]
    drawn = [render(name, seed=7, size=(640, 480)).resize((8, 6)) for name in SAMPLES[-2:]]
    for one, other in zip(small, drawn, strict=True):
        pairs = zip(one.tobytes(), other.tobytes(), strict=True)
        assert max(abs(a - b) for a, b in pairs) < 16


def test_the_same_arguments_give_the_same_files(space: Path, bundle: Path, tmp_path: Path) -> None:
    """Byte for byte."""
    assert contents(write_space(bundle, tmp_path / "again", title=TITLE)) == contents(space)


def test_versions_agree(space: Path) -> None:
    """The Space's Gradio is within its own range; floors are those of waymark itself."""
    ranges = requirements(space)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def numbers(version: str) -> list[int]:
        return list(map(int, version.split(".")))

    floor, ceiling = ranges["gradio"].removeprefix(">=").split(",<")
    assert header(space)["sdk_version"] == GRADIO
    assert numbers(floor) <= numbers(GRADIO) < numbers(ceiling)
    assert header(space)["python_version"] == json.dumps(
        project["requires-python"].removeprefix(">=")
    )
    floors = dict(line.split(">=") for line in project["dependencies"] if ";" not in line)
    for name in ("numpy", "pillow", "pi-heif", "onnxruntime", "safetensors"):
        assert ranges[name].startswith(f">={floors[name]},")


def test_gradio_is_no_part_of_the_project() -> None:
    """It is a requirement of the generated Space alone."""
    locks = [*(ROOT / "requirements").iterdir(), ROOT / "pyproject.toml"]
    assert not [lock.name for lock in locks if "gradio" in lock.read_text(encoding="utf-8")]


def test_only_what_predicts_is_copied(space: Path) -> None:
    """No world bundle, nothing that trains, serves or parses a command line."""
    copied = {path: text for path, text in contents(space).items() if path.startswith("waymark/")}

    assert all(path.endswith(".py") for path in copied)
    assert {path: text.decode() for path, text in copied.items()} == read_sources()
    parts = {path.split("/")[1] for path in copied}
    assert not parts & {"cli", "training", "curate", "serve", "evaluation", "dataset", "samples"}


@pytest.mark.parametrize("photo", ["examples/1.jpg", "heic"])
def test_the_copy_predicts_alone(space: Path, bundle: Path, photo: str) -> None:
    """It answers as waymark does, loads nothing but itself and what it requires."""
    path = ROOT / "tests" / "photos" / "orientation-6.heic" if photo == "heic" else space / photo
    code = (
        f"import sys, json; sys.path.insert(0, {str(space)!r}); import waymark\n"
        f"recogniser = waymark.load({str(space / 'model.waymark')!r})\n"
        f"print(json.dumps(recogniser.predict({str(path)!r}).to_dict()))\n"
        "heat = recogniser.explain({!r})\n".format(str(path)) +
        "files = {m.__name__: getattr(m, '__file__', None) or '' for m in sys.modules.values()}\n"
        "print(json.dumps(files))"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", code], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    answer, files = map(json.loads, done.stdout.splitlines())
    assert answer == waymark.load(bundle).predict(path).to_dict()
    ours = [file for name, file in files.items() if name.split(".")[0] == "waymark"]
    assert all(Path(file).is_relative_to(space) for file in ours)
    others = {
        name.split(".")[0] for name, file in files.items() if "site-packages" in Path(file).parts
    }
    wanted = {"pillow": "PIL", "pi-heif": "pi_heif"}
    required = {wanted.get(name, name) for name in requirements(space)}
    assert others <= {*required, "_pi_heif", "_distutils_hack"}


def test_a_title_is_data(space: Path) -> None:
    """However it reads: a string in app.py, a string in the header."""
    tree = ast.parse((space / "app.py").read_text(encoding="utf-8"))

    (title,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TITLE"
    )
    assert title == TITLE == json.loads(header(space)["title"])


def test_given_photos_are_published_without_their_metadata(bundle: Path, tmp_path: Path) -> None:
    """Upright, at most 1,024 px, and nobody learns where they were taken."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(EXIF_GPS).update({1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    photo = render("castle", seed=0, size=(1600, 1200))
    photo.save(tmp_path / "mine.jpg", exif=exif)

    folder = write_space(bundle, tmp_path / "space", examples=[tmp_path / "mine.jpg"])

    (published,) = (folder / "examples").iterdir()
    with Image.open(published) as image:
        assert image.size == (768, 1024)
        assert not image.getexif()
    assert b"Exif" not in published.read_bytes()


def test_a_folder_with_something_in_it_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    """As is a file, and a link to a folder; an empty folder is taken."""
    full, file, link, empty = (tmp_path / name for name in ("full", "file", "link", "empty"))
    full.mkdir()
    empty.mkdir()
    (full / "mine.txt").write_text("mine", encoding="utf-8")
    file.touch()
    link.symlink_to(empty)

    for out in (full, file, link):
        with pytest.raises(RunError, match="--out"):
            write_space(bundle, out)

    assert contents(full) == {"mine.txt": b"mine"}
    assert (write_space(bundle, empty) / "app.py").is_file()


def test_nothing_is_written_where_something_is_wrong(bundle: Path, tmp_path: Path) -> None:
    """Bundle, example, title and licence are looked at first."""
    out = tmp_path / "space"
    (tmp_path / "no.jpg").write_bytes(b"no photo")

    with pytest.raises(BundleError):
        write_space(tmp_path / "absent.waymark", out)
    with pytest.raises(UnreadablePhoto):
        write_space(bundle, out, examples=[tmp_path / "no.jpg"])
    with pytest.raises(ConfigError, match="title"):
        write_space(bundle, out, title="two\nlines: evil")
    with pytest.raises(ConfigError, match="licence"):
        write_space(bundle, out, licence="mit\npinned: true")
    assert not out.exists()


def test_the_command_writes_and_says_what_next(bundle: Path, tmp_path: Path) -> None:
    """The folder on stdout; a second time it is in the way: one line, exit code 2."""
    words = ["space", str(bundle), "--out", str(tmp_path / "s"), "--licence", "cc-by-4.0"]

    first, second = (CliRunner().invoke(commands, words) for _ in range(2))

    assert (first.exit_code, second.exit_code) == (0, 2)
    assert first.stdout == f"{tmp_path / 's'}\n"
    assert "requirements.txt" in first.stderr
    assert len(second.stderr.splitlines()) == 1
    assert header(tmp_path / "s")["license"] == '"cc-by-4.0"'


@pytest.fixture(scope="module")
def python(space: Path, request: pytest.FixtureRequest) -> str:
    """Return the Python of an environment with the Space's requirements and nothing else.

    Kept in pytest's cache as long as requirements.txt and Python stay the same.
    """
    wanted = (space / "requirements.txt").read_bytes() + sys.version.encode()
    cache = request.config.cache.mkdir("space")
    home = cache / hashlib.sha256(wanted).hexdigest()[:16]
    found = home / "bin" / "python"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True, capture_output=True)
        uv = shutil.which(
            "uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )
        pip = [uv, "pip", "install", "--python", found] if uv else [found, "-m", "pip", "install"]
        done = subprocess.run(
            [*pip, "-r", space / "requirements.txt"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            say(f"the Space's requirements cannot be installed: {done.stderr[-500:]}")
        (home / "complete").touch()
    return str(found)


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """Return an environment in which no other Python code is found, and nobody is told."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    mine |= {"GRADIO_TEMP_DIR": str(tmp_path / "gradio"), "HF_HUB_OFFLINE": "1"}
    return mine | {"PYTHONDONTWRITEBYTECODE": "1"} | more


@pytest.fixture
def address(space: Path, python: str, tmp_path: Path) -> Iterator[str]:
    """Start the app on a free port; return where it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    log = tmp_path / "app.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, "app.py"], cwd=space, stdout=out, stderr=subprocess.STDOUT,
            env=environment(tmp_path, **settings),
        )  # fmt: skip
    where = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert process.poll() is None, log.read_text()
            try:
                httpx.get(where, trust_env=False, timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.25)
        else:
            pytest.fail(f"the app does not answer: {log.read_text()}")
        yield where
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """Return a page that reaches this machine only; it notes what it would have asked others."""
    proxy = {"server": "http://127.0.0.1:9", "bypass": "127.0.0.1"}
    context = chromium.new_context(proxy=proxy, viewport={"width": 1280, "height": 1000})
    yield context.new_page()
    context.close()


@pytest.mark.browser
def test_the_app_is_clicked_through(space: Path, bundle: Path, address: str, page: Any) -> None:
    """List, example, Predict, k, Clear, a bad upload, and names that are only text."""
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url))
    page.on("dialog", lambda dialog: outside.append(dialog.message))
    page.goto(address)
    page.get_by_role("button", name="Predict").wait_for()
    page.wait_for_function("title => document.title === title", arg=TITLE)
    assert page.locator("h1").inner_text() == TITLE

    page.get_by_text(f"The {len(HOSTILE)} landmarks that it knows").click()
    page.locator(".landmarks").wait_for()
    listed = page.locator(".landmarks li").all_inner_texts()
    ids = [known.id for known in waymark.load(bundle).bundle.manifest.landmarks]
    shown = [*HOSTILE[:4], f"Twin ({ids[4]})", f"Twin ({ids[5]})"]
    assert [row.split(" · ")[0] for row in listed] == shown

    answer, names, scores = (
        page.locator(f"#{part}") for part in ("answer", "names", "probabilities")
    )
    assert [page.get_by_label("k: how many landmarks").first.input_value()] == ["5"]
    page.locator(".gallery-item").first.click()
    page.locator("img[src*='1.jpg']").last.wait_for()
    page.get_by_role("button", name="Predict").click()
    names.get_by_text('"').first.wait_for()
    expected = waymark.load(bundle).predict(space / "examples" / "1.jpg", k=5)
    guesses = expected.predictions
    named = dict(zip(ids, shown, strict=True))
    assert read_json(names) == [named[guess.landmark] for guess in guesses]
    assert read_json(scores) == [round(guess.score, 6) for guess in guesses]
    assert answer.locator("textarea").input_value().startswith(guesses[0].name)
    page.locator("#bars canvas, #bars svg.marks").first.wait_for()

    page.get_by_label("k: how many landmarks").first.fill("2")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_function("document.querySelectorAll('#names .line-number').length < 6")
    assert len(read_json(names)) == 2

    page.get_by_role("button", name="Clear").click()
    names.locator(".empty").wait_for()
    assert answer.locator("textarea").input_value() == ""
    assert page.get_by_label("k: how many landmarks").first.input_value() == "5"

    page.locator("input[type=file]").first.set_input_files(
        {"name": "<b>bad.jpg", "mimeType": "image/jpeg", "buffer": b"no photo"}
    )
    page.locator("img[src*='bad.jpg']").wait_for(state="attached")
    page.get_by_role("button", name="Predict").click()
    page.wait_for_function("document.querySelector('#answer textarea').value")
    assert "not a photo" in answer.locator("textarea").input_value()

    assert page.evaluate("window.pwned") is None
    assert not [url for url in outside if not url.startswith((address, "data:", "blob:"))]


def test_the_app_reads_uploads_only(address: str, tmp_path: Path) -> None:
    """A file of the machine that nobody uploaded is not opened for a caller of its API."""
    render("castle", seed=0).save(tmp_path / "secret.jpg")
    photo = {"path": str(tmp_path / "secret.jpg"), "meta": {"_type": "gradio.FileData"}}
    call = f"{address}/gradio_api/call/predict"

    with httpx.Client(trust_env=False, timeout=30) as client:
        event = client.post(call, json={"data": [photo, 3]})
        said = client.get(f"{call}/{event.json()['event_id']}").text

    assert "event: error" in said
    assert "Twin" not in said


def test_the_app_says_what_it_does_not_know(python: str, tmp_path: Path) -> None:
    """And names the nearest all the same."""
    strict = make_bundle(tmp_path / "strict.waymark", ("A", "B", "C"), threshold=0.0)
    space = write_space(strict, tmp_path / "space")
    code = (
        "import json, app\n"
        "said = app.predict('examples/1.jpg', 2)\n"
        "print(json.dumps([said[0], said[1], list(said[3].columns)]))"
    )
    done = subprocess.run(
        [python, "-c", code], cwd=space, env=environment(tmp_path),
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    answer, names, columns = json.loads(done.stdout)
    assert answer.startswith("I don't know this place.")
    assert len(names) == 2
    assert columns == ["landmark", "probability"]


def read_json(panel: Any) -> Any:
    """Read what a JSON panel shows."""
    text = "".join(panel.locator(".content").all_inner_texts())
    return json.loads(text.replace("▼", "").replace("\\", r"\\"))  # it shows \ as it is
