"""The upload widget for Jupyter: pick photos, press Classify, read what they show.

In:  a bundle, and whatever the person at the notebook uploads.
Out: for each photo its thumbnail, the answer, and the most likely landmarks.

Whatever a file or a landmark is called is shown as text; a photo that cannot be read is
answered by its message. Needs the extra `notebook` (ipywidgets), imported when a widget is
made.
"""

from __future__ import annotations

import html
import io
import os
from typing import TYPE_CHECKING, Any

from waymark.errors import MissingExtra, WaymarkError

if TYPE_CHECKING:
    from PIL.Image import Image

    from waymark.recognise.prediction import Prediction

HEIGHT = 200  # px: of a thumbnail
GUESSES = 5
_ACCEPT = "image/*,.heic,.heif,.avif"
_ASK = "Please upload a picture of a landmark"


class Classifier:
    """A widget that names the landmark in uploaded photos.

    As the last line of a cell it shows itself.

    Attributes:
        recogniser: what it names them with.
        upload: the upload button, an `ipywidgets.FileUpload`; its `value` holds the photos.
        button: the Classify button.
        answers: an `ipywidgets.VBox` with one `VBox` a photo: its name, its thumbnail, the
            answer, and a line a guess.
        widget: all of it, an `ipywidgets.VBox`.
    """

    def __init__(self, bundle: str | os.PathLike[str] = "world") -> None:
        """Make a widget.

        Args:
            bundle: as for `waymark.load`.

        Raises:
            MissingExtra: if ipywidgets is not installed.
            BundleError: if the bundle cannot be loaded.
        """
        widgets = _ipywidgets()
        from waymark.recognise.recogniser import Recogniser

        self.recogniser = Recogniser.from_bundle(bundle)
        self.upload = widgets.FileUpload(accept=_ACCEPT, multiple=True)
        self.button = widgets.Button(description="Classify")
        self.answers = widgets.VBox()
        self.widget = widgets.VBox([_text(_ASK), self.upload, self.button, self.answers])
        self.button.on_click(lambda _: self.classify())

    def classify(self) -> None:
        """Show what each uploaded photo is; what the Classify button does."""
        self.answers.children = ()
        self.button.disabled = True
        try:
            for file in self.upload.value:
                answer = self._answer(str(file["name"]), bytes(file["content"]))
                self.answers.children = (*self.answers.children, answer)
            if not self.upload.value:
                self.answers.children = (_text(f"{_ASK} first."),)
        finally:
            self.button.disabled = False

    def _answer(self, name: str, data: bytes) -> Any:
        """Return what is shown of one photo."""
        from waymark.photo import read_photo

        widgets = _ipywidgets()
        parts = [_text(name)]
        try:
            image = read_photo(data, min_side=max(HEIGHT, self.recogniser.preprocess.min_side))
            prediction = self.recogniser.predict(image, GUESSES)
        except WaymarkError as error:
            return widgets.VBox([*parts, _text(str(error))])
        own_size = {"align_self": "flex-start"}  # a VBox would stretch it
        thumbnail = widgets.Image(value=_thumbnail(image), format="jpeg", layout=own_size)
        parts.append(thumbnail)
        return widgets.VBox([*parts, *map(_text, describe(prediction))])

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Show the widget, in whatever way ipywidgets shows itself."""
        return self.widget._repr_mimebundle_(**kwargs)


def describe(prediction: Prediction) -> list[str]:
    """Put a prediction in lines of text: the answer where it is unknown, then the guesses."""
    guesses = [f"{guess.name} (prob: {guess.score:.2f})" for guess in prediction.predictions]
    if prediction.known:
        return guesses
    return ["I don't know this place. The nearest that I know:", *guesses]


def _ipywidgets() -> Any:
    try:
        import ipywidgets
    except ImportError as error:
        raise MissingExtra(
            "the notebook widget needs ipywidgets, which is not installed; "
            "install it with: pip install 'waymark[notebook]'"
        ) from error
    return ipywidgets


def _text(text: str) -> Any:
    """Return a line of plain text; a Label would read mathematics into it."""
    return _ipywidgets().HTML(html.escape(text))


def _thumbnail(image: Image) -> bytes:
    """Return an RGB photo as a JPEG, 200 px high; smaller ones stay as they are."""
    width, height = image.size
    small = image.copy()
    small.thumbnail((max(1, round(width * HEIGHT / height)), HEIGHT))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
