"""What the routes rest on: photos in, answers out, within limits.

In:  a recogniser and the settings.
Out: `Service.predict`, which never blocks the event loop, and answers `Busy` rather than
     let what waits grow.

Uploads live in memory until they are answered, and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import io
import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import asin, ceil, cos, radians, sin, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waymark.errors import PhotoError, WaymarkError
from waymark.photo import cores
from waymark.recognise.prediction import Prediction
from waymark.recognise.recogniser import Recogniser
from waymark.serve.batching import Batcher, Views
from waymark.serve.decoding import Decoded, Decoders, Large, setup_for
from waymark.serve.metrics import Metrics
from waymark.serve.neighbours import Neighbours
from waymark.serve.settings import MAX_K, Settings

if TYPE_CHECKING:
    from PIL.Image import Image

EARTH_M = 6_371_008.8  # mean radius
_NOT_HERE = re.compile(r", or (?:raise limits\.\w+|read what is there with [^.]*)")
_NAME = 200  # characters of an upload's name that are given back
HINTS = {
    "unreadable-photo": "Send a JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC or AVIF that opens "
    "in other programs.",
    "truncated-photo": "Send the whole file.",
    "photo-too-large": "Send the photo smaller.",
}


class Busy(WaymarkError):
    """There is as much to do as the server takes on.

    Attributes:
        seconds: after which it is worth trying again.
    """

    code = "busy"

    def __init__(self, message: str, *, seconds: int = 1) -> None:
        super().__init__(message)
        self.seconds = seconds


class Service:
    """A recogniser at work; belongs to one event loop, made before or inside it.

    Attributes:
        settings: how it serves.
        metrics: what it counts.
        recogniser: what it recognises with; `use` changes it.
        ready: whether it takes photos: started, and not stopping.
        held: bytes of uploads in memory.
        bundle_file: where the recogniser's bundle is, if it is a file that is known.
        neighbours: the photos it learnt from, where they are on this machine.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        settings: Settings,
        metrics: Metrics | None = None,
        *,
        bundle_file: Path | None = None,
    ) -> None:
        self.bundle_file = bundle_file
        self.neighbours = Neighbours.beside(bundle_file, recogniser.bundle)
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.ready = False
        self.held = 0
        self._photos = 0
        self._large = asyncio.Lock()
        threads = settings.decoders or ceil(cores() / settings.workers)
        self._threads = threads
        self._decode_pool = ThreadPoolExecutor(threads, "waymark-decode")
        self._network_pool = ThreadPoolExecutor(threads, "waymark-network")
        self._explain_pool = ThreadPoolExecutor(1, "waymark-explain")
        self._batcher = Batcher(
            self._run,
            self._network_pool,
            window_s=settings.batch_window_ms / 1000,
            max_batch=settings.max_batch,
            at_once=threads,
            note=self.metrics.batch,
        )
        self.use(recogniser)

    def use(self, recogniser: Recogniser) -> None:
        """Recognise with this from now on; what is in work is finished with what it began."""
        settings = self.settings
        former: Decoders | None = getattr(self, "_decoders", None)
        setup = setup_for(recogniser, max_pixels=settings.max_pixels)
        if former is None or setup != former.setup:
            self._decoders = Decoders(
                setup, max_pixels=settings.max_pixels, seconds=settings.decode_s
            )
            if former is not None:
                former.close()
        self.recogniser = recogniser

    async def start(self) -> None:
        """Start what decodes, so that the first photo is as quick as the next."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._decode_pool, self._decoders.warm, self._threads)
        self.ready = True

    def close(self) -> None:
        """End all threads and processes; nothing more can be predicted."""
        self.ready = False
        for pool in (self._decode_pool, self._network_pool, self._explain_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        self._decoders.close()

    def hold(self, count: int) -> None:
        """Note that so many more bytes of uploads are in memory; the caller lets them go.

        Raises:
            Busy: if that would be more than the server has room for.
        """
        if self.held + count > self.settings.max_held:
            self.metrics.busy("memory")
            raise Busy("the server has no room for more uploads. Try again in a second.")
        self.held += count

    def check_room(self, photos: int = 1) -> None:
        """Say early that there is no place for so many photos.

        Raises:
            Busy: if there is none.
        """
        if self._photos and self._photos + photos > self.settings.queue:
            self.metrics.busy("queue")
            raise Busy("the server has as many photos as it takes on. Try again in a second.")

    async def predict(
        self,
        photos: Sequence[tuple[str, bytes]],
        *,
        k: int = 5,
        explain: bool = False,
        use_gps: bool = False,
        size: bool = False,
        neighbours: bool = False,
    ) -> list[dict[str, Any]]:
        """Name the landmark in each photo.

        Args:
            photos: (name, bytes of the file) each; the name is only given back.
            k: guesses a photo, 1 to 10.
            explain: whether to draw where the network sees the best guess.
            use_gps: whether to look where the camera was, and say how far that is.
            size: whether to add `size`: width and height of the photo in pixels.
            neighbours: whether to add the nearest of the photos that it learnt from.

        Returns:
            One object a photo, in order: that of `Prediction.to_dict` with `heatmap`
            (a data URL, or None), `camera` ({lat, lon}, or None), `neighbours` (see
            `Neighbours.near`; None where not asked or none is there) and a `distance_m` a guess
            (or None); or `photo` and `error` {code, message, hint}.

        Raises:
            Busy: if there is too much to do already, or it takes too long.
        """
        self.check_room(len(photos))
        self._photos += len(photos)
        k = min(max(k, 1), MAX_K)
        work = [
            asyncio.ensure_future(
                self._one(
                    name,
                    data,
                    k,
                    explain=explain,
                    use_gps=use_gps,
                    size=size,
                    neighbours=neighbours,
                )
            )
            for name, data in photos
        ]
        try:
            async with asyncio.timeout(self.settings.timeout_s + self.settings.decode_s):
                return await asyncio.gather(*work)
        except TimeoutError:
            self.metrics.busy("time")
            raise Busy("the photos took too long. Send fewer, or try later.", seconds=5) from None
        finally:
            for one in work:
                one.cancel()
            self._photos -= len(photos)

    async def decode(
        self, data: bytes, *, facts: bool = False, picture: bool = False, small: bool = False
    ) -> Decoded:
        """Decode an upload for who does more with it than to name its landmark.

        Raises:
            PhotoError: if it cannot be read.
        """
        loop = asyncio.get_running_loop()

        def decode(*, large: bool) -> Decoded:
            return self._decoders.decode(
                data, facts=facts, picture=picture, small=small, large=large
            )

        try:
            return await loop.run_in_executor(self._decode_pool, lambda: decode(large=False))
        except Large:  # it waits here for its like, and not in a thread that others need
            async with self._large:
                return await loop.run_in_executor(self._decode_pool, lambda: decode(large=True))

    async def look(self, views: Views) -> Prediction:
        """Name the landmark in a photo that is decoded already."""
        prediction: Prediction = (await self._batcher.put(views, 1))[0]
        return prediction

    async def _one(
        self,
        name: str,
        data: bytes,
        k: int,
        *,
        explain: bool,
        use_gps: bool,
        size: bool,
        neighbours: bool,
    ) -> dict[str, Any]:
        shown = clean(name)
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        self._batcher.on_the_way += 1
        try:
            decoded = await self.decode(data, facts=use_gps or size, picture=explain)
        except PhotoError as error:
            self.metrics.photo("unreadable", time.perf_counter() - started)
            return {"photo": shown, "error": describe(error)}
        finally:
            self._batcher.on_the_way -= 1
            self._batcher.pump()
        prediction, embedding = await self._batcher.put(decoded.views, k)
        answer = to_answer(prediction, shown, k, decoded.gps if use_gps else None)
        if size:
            answer["size"] = decoded.size
        if neighbours and self.neighbours is not None:
            answer["neighbours"] = await loop.run_in_executor(
                self._explain_pool, self.neighbours.near, embedding
            )
        if decoded.picture is not None:
            best = prediction.predictions[0].landmark
            answer["heatmap"] = await loop.run_in_executor(
                self._explain_pool, self._explain, decoded.picture, best
            )
        outcome = "known" if prediction.known else "unknown"
        self.metrics.photo(outcome, time.perf_counter() - started)
        return answer

    def _run(self, views: Sequence[Views], k: int) -> list[tuple[Prediction, NDArray[np.float32]]]:
        predictions, embeddings = self.recogniser.answer_and_embed(np.stack(views), k)
        return list(zip(predictions, embeddings, strict=True))

    def _explain(self, picture: Image, landmark: str) -> str:
        file = io.BytesIO()
        recogniser = self.recogniser  # may be another by now, which does not know the landmark
        known = landmark in recogniser.bundle.manifest.tasks[0].ids
        recogniser.explain(picture, landmark if known else None).save(file, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def to_answer(
    prediction: Prediction, name: str, k: int, gps: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Return what the API says of a photo; see `Service.predict`."""
    categories = prediction.category_predictions
    answer = replace(
        prediction,
        photo=name,
        predictions=prediction.predictions[:k],
        category_predictions=categories and categories[:k],
    ).to_dict()
    for guess in answer["predictions"]:
        place = None if guess["lat"] is None else (guess["lat"], guess["lon"])
        guess["distance_m"] = round(metres(gps, place)) if gps and place else None
    answer["camera"] = gps and {"lat": gps[0], "lon": gps[1]}
    answer["heatmap"] = answer["neighbours"] = None
    return answer


def describe(error: WaymarkError) -> dict[str, str | None]:
    """Return an error as the API gives it: without the way out that only the library has."""
    message = _NOT_HERE.sub("", str(error).removeprefix("this photo: "))
    return {"code": error.code, "message": message, "hint": HINTS.get(error.code)}


def clean(name: str) -> str:
    """Return an upload's name without control characters, and not without end."""
    return "".join(c if c.isprintable() else "\ufffd" for c in name[:_NAME])


def metres(one: Iterable[float], two: Iterable[float]) -> float:
    """Return the distance of two places (degrees north and east) along the ground.

    Source: the haversine formula, Sinnott 1984, Sky and Telescope 68(2), 159
    """
    (lat1, lon1), (lat2, lon2) = (map(radians, place) for place in (one, two))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_M * asin(min(1.0, sqrt(half)))
