"""The upload widget for Jupyter, and the example notebook, run headless from start to end."""

from __future__ import annotations

import ast
import html
import json
import subprocess
import sys
import warnings
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import waymark
from waymark.bundle.format import read_bundle, write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.errors import BundleError, MissingExtra
from waymark.notebook import GUESSES, HEIGHT, Classifier
from waymark.samples import render

HOSTILE = '<img src=x onerror="alert(1)">$\\href{javascript:alert(1)}{x}$.jpg'
NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "examples" / "identify.ipynb"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return the file of a bundle of seven landmarks that takes every photo for known."""
    made = tiny_bundle(7)
    rule = replace(made.manifest.unknown, threshold=1.0)
    path = tmp_path / "tiny.waymark"
    write_bundle(path, replace(made, manifest=replace(made.manifest, unknown=rule)))
    return path


def jpeg(name: str, *, seed: int = 0, size: tuple[int, int] = (640, 480)) -> bytes:
    """Return the file of a rendered photo."""
    buffer = BytesIO()
    render(name, seed=seed, size=size).save(buffer, "JPEG")
    return buffer.getvalue()


def upload(classifier: Classifier, *files: tuple[str, bytes]) -> None:
    """Upload as a browser does: the state that comes over the wire, then a click."""
    state = [
        {
            "name": name,
            "type": "image/jpeg",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": 1_700_000_000_000,
        }
        for name, content in files
    ]
    classifier.upload.set_state({"value": state})
    classifier.button.click()


def shown(classifier: Classifier) -> list[list[str]]:
    """Return the lines of text of each answer, as the person reads them."""
    return [
        [html.unescape(part.value) for part in answer.children if hasattr(part, "placeholder")]
        for answer in classifier.answers.children
    ]


def test_the_widget_is_laid_out_as_promised(bundle: Path) -> None:
    """The request, the upload button, Classify, then the answers; it shows itself in Jupyter."""
    classifier = Classifier(bundle)

    ask, *others = classifier.widget.children
    assert ask.value == "Please upload a picture of a landmark"
    assert others == [classifier.upload, classifier.button, classifier.answers]
    assert classifier.button.description == "Classify"
    assert "application/vnd.jupyter.widget-view+json" in classifier._repr_mimebundle_()


def test_an_upload_is_classified(bundle: Path) -> None:
    """A thumbnail 200 px high, and the five that the recogniser names, with probabilities."""
    photo = jpeg("castle")
    classifier = Classifier(bundle)

    upload(classifier, ("castle.jpg", photo))

    (answer,) = classifier.answers.children
    (thumbnail,) = (part for part in answer.children if hasattr(part, "format"))
    assert Image.open(BytesIO(thumbnail.value)).size == (round(640 * HEIGHT / 480), HEIGHT)
    guesses = waymark.load(bundle).predict(photo).predictions
    assert shown(classifier) == [
        ["castle.jpg", *(f"{guess.name} (prob: {guess.score:.2f})" for guess in guesses)]
    ]
    assert len(guesses) == GUESSES
    assert not classifier.button.disabled


def test_several_uploads_are_answered_in_order(bundle: Path) -> None:
    """One answer each; those of an earlier press are gone."""
    classifier = Classifier(bundle)
    upload(classifier, ("old.jpg", jpeg("obelisk", size=(64, 48))))

    upload(classifier, *((f"{name}.jpg", jpeg(name)) for name in ("castle", "pagoda")))

    assert [lines[0] for lines in shown(classifier)] == ["castle.jpg", "pagoda.jpg"]


def test_what_is_unknown_is_said_so(bundle: Path) -> None:
    """Plainly, before the nearest guesses."""
    made = read_bundle(bundle)
    rule = replace(made.manifest.unknown, threshold=0.0)
    write_bundle(bundle, replace(made, manifest=replace(made.manifest, unknown=rule)))
    classifier = Classifier(bundle)

    upload(classifier, ("photo.jpg", jpeg("castle")))

    (lines,) = shown(classifier)
    assert lines[1].startswith("I don't know this place.")
    assert len(lines) == 2 + GUESSES


def test_a_bad_photo_is_answered_by_its_message(bundle: Path) -> None:
    """Beside the good one, without a traceback."""
    classifier = Classifier(bundle)

    upload(classifier, ("notes.jpg", b"no photo"), ("castle.jpg", jpeg("castle")))

    bad, good = shown(classifier)
    assert bad[0] == "notes.jpg"
    assert "not a photo" in bad[1]
    assert len(good) == 1 + GUESSES


def test_without_an_upload_it_asks_for_one(bundle: Path) -> None:
    """Pressing Classify too early is no error."""
    classifier = Classifier(bundle)

    classifier.button.click()

    (line,) = classifier.answers.children
    assert "upload" in line.value


def test_names_are_shown_as_text(bundle: Path) -> None:
    """Of files and of landmarks: no tag survives, and nothing is read as mathematics."""
    import ipywidgets

    made = read_bundle(bundle)
    task = made.manifest.tasks[0]
    hostile = replace(task, classes=tuple(replace(known, name=HOSTILE) for known in task.classes))
    tasks = (hostile, *made.manifest.tasks[1:])
    write_bundle(bundle, replace(made, manifest=replace(made.manifest, tasks=tasks)))
    classifier = Classifier(bundle)

    upload(classifier, (HOSTILE, jpeg("castle")), (HOSTILE, b"no photo"))

    parts = [part for answer in classifier.answers.children for part in answer.children]
    texts = [part for part in parts if not isinstance(part, ipywidgets.Image)]
    assert len(texts) == 1 + GUESSES + 2
    assert all(type(part) is ipywidgets.HTML for part in texts)  # Label and HTMLMath typeset
    assert not any("<" in part.value for part in texts)


def test_without_ipywidgets_the_extra_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the command that mends it."""
    monkeypatch.setitem(sys.modules, "ipywidgets", None)

    with pytest.raises(MissingExtra, match=r"waymark\[notebook\]"):
        Classifier(bundle)


def test_a_wrong_bundle_is_an_error_at_once(tmp_path: Path) -> None:
    """Not only when a photo is uploaded."""
    with pytest.raises(BundleError, match=r"absent\.waymark"):
        Classifier(tmp_path / "absent.waymark")


def test_importing_the_module_needs_no_ipywidgets() -> None:
    """It may be imported where the extra is not installed."""
    code = "import sys; sys.modules['ipywidgets'] = None; import waymark.notebook"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_example_notebook_is_committed_without_outputs() -> None:
    """What it shows is made where it is run."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]

    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_the_example_notebook_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start to end, headless; then somebody uploads two photos and presses Classify."""
    import nbformat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Jupyter's own, at import
        from nbclient import NotebookClient

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    click = f"""
from datetime import UTC, datetime
def uploaded(name, content):
    return dict(name=name, type="image/jpeg", size=len(content), content=content,
                last_modified=datetime.now(UTC))
classifier.upload.value = (
    uploaded({HOSTILE!r}, photo.read_bytes()), uploaded("notes.txt", b"no photo"))
classifier.button.click()
"""
    notebook.cells.append(nbformat.v4.new_code_cell(click))
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}})
    client.execute()

    outputs = [cell.get("outputs", []) for cell in notebook.cells if cell.cell_type == "code"]
    first, taught = (cell[-1]["data"]["text/html"] for cell in (outputs[1], outputs[2]))
    assert "data:image/jpeg;base64," in first
    assert "I do not know this one." in first
    assert "Is this a picture of the leaning tower, " in taught
    known, guesses = ast.literal_eval(outputs[3][-1]["data"]["text/plain"])
    assert known
    assert guesses[0][0] == "leaning tower"
    assert "application/vnd.jupyter.widget-view+json" in outputs[4][-1]["data"]
    texts = answers(client)
    assert html.escape(HOSTILE) in texts
    assert any(text.startswith("leaning tower (prob: ") for text in texts)
    assert any("not a photo" in text for text in texts)


def answers(client: Any) -> list[str]:
    """Return the text of every HTML widget that the kernel has told the front end of."""
    states = client.widget_state.values()
    return [state["value"] for state in states if state.get("_model_name") == "HTMLModel"]
