"""A loaded bundle: photos in, predictions out.

In:  a photo (a path, the bytes of a file, or a Pillow image), or any number of them.
Out: a `Prediction` for each, or a `PhotoFailure` where a photo cannot be read.

Photos are decoded in threads while earlier ones go through the network in others; what
comes out is in the order of what went in, and does not depend on how photos were batched.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from waymark.bundle.format import Bundle, find_bundle, read_bundle
from waymark.bundle.manifest import CATEGORY
from waymark.bundle.statistics import LARGEST
from waymark.errors import BundleError, ConfigError, PhotoError, UnknownName
from waymark.photo import cores
from waymark.recognise.decision import Decision, softmax
from waymark.recognise.prediction import CategoryGuess, Guess, PhotoFailure, Prediction, Seen
from waymark.recognise.session import EMBEDDING, FEATURE_MAP, LOGITS, Session, open_session
from waymark.recognise.views import photo_views

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["CategoryGuess", "Guess", "PhotoFailure", "Prediction", "Recogniser", "Seen", "Source"]

Source = str | os.PathLike[str] | bytes
BATCH = 8
_CATEGORY_LOGITS = f"logits_{CATEGORY}"


class Recogniser:
    """A bundle that is ready to name the landmark in photos; safe to share among threads.

    Attributes:
        bundle: what it was made of.
        decision: how scores and unknown scores are made.
        preprocess: how photos are prepared.
        threshold: a photo with a higher unknown score is unknown.
        tta: whether four views of a photo are seen, or one.
        allow_truncated: whether photos that are cut short are read as far as they go.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        tta: bool = False,
        fast: bool = False,
        unknown_threshold: float | None = None,
        allow_truncated: bool = False,
        session: Session | None = None,
    ) -> None:
        """Make a recogniser.

        Args:
            bundle: what to recognise with.
            tta: average the logits of four views of a photo: whole and centre, each also
                mirrored. Four times the work.
            fast: use the bundle's fast input size.
            unknown_threshold: 0 to 1, instead of the bundle's own.
            allow_truncated: read what is there of photos that are cut short.
            session: what runs the network; made from the bundle where None.

        Raises:
            ConfigError: if an option is impossible, or the bundle has no fast size.
            BundleError: if the model cannot be loaded or does not fit its manifest.
        """
        manifest = bundle.manifest
        if tta and fast:
            raise ConfigError("tta is slower and surer, fast is the opposite; choose one of them.")
        if fast and "fast" not in manifest.sizes:
            raise ConfigError("this bundle has no fast setting; leave out fast.")
        if unknown_threshold is not None and not 0 <= unknown_threshold <= 1:
            raise ConfigError(
                f"unknown threshold is {unknown_threshold}; it must be between 0 "
                "(everything is unknown) and 1 (nothing is)."
            )
        self.bundle = bundle
        size = manifest.sizes["fast"] if fast else manifest.preprocess.size
        self.preprocess = manifest.preprocess.at(size)
        self.tta = tta
        self.allow_truncated = allow_truncated
        with ThreadPoolExecutor(1) as pool:  # importing Pillow takes as long as loading a network
            opening = pool.submit(lambda: session or open_session(bundle.model, threads=1))
            self.decision = Decision(manifest, bundle.statistics)
            import_module("waymark.photo_decode")
            self._session = opening.result()
        self.threshold = self.decision.threshold if unknown_threshold is None else unknown_threshold
        self._outputs = [LOGITS, EMBEDDING, *([_CATEGORY_LOGITS] if manifest.categories else [])]

    @classmethod
    def from_bundle(cls, bundle: Bundle | str | os.PathLike[str] = "world", **options: Any) -> Self:
        """Load a bundle by name or path; for the options see `Recogniser`."""
        if not isinstance(bundle, Bundle):
            bundle = read_bundle(find_bundle(bundle))
        return cls(bundle, **options)

    def predict(self, photo: Source | Image, k: int = 5) -> Prediction:
        """Name the landmark in one photo.

        Args:
            photo: a path, the bytes of a file, or an image.
            k: number of guesses; all landmarks where the bundle has fewer.

        Raises:
            PhotoError: if the photo cannot be read.
        """
        _check_k(k)
        arrays = self._run(self._views(self._open(photo))[None], self._outputs)
        return self._decide([_name(photo)], arrays, k)[0]

    def predict_many(
        self, photos: Iterable[Source], k: int = 5, *, workers: int | None = None
    ) -> Iterator[Prediction | PhotoFailure]:
        """Name the landmark in each photo, in order, a few at a time.

        Args:
            photos: paths, or the bytes of files; may be endless.
            k: number of guesses a photo.
            workers: threads for decoding, and as many for the network; None is one a core.
        """
        _check_k(k)
        for rows, arrays in self._stream(photos, workers):
            good = [name for name, error in rows if error is None]
            decided = iter(self._decide(good, arrays, k) if good else [])
            for name, error in rows:
                yield next(decided) if error is None else PhotoFailure(name, error)

    def classify(
        self, photos: Iterable[Source], *, workers: int | None = None
    ) -> Iterator[Seen | PhotoFailure]:
        """Return what the network makes of each photo, in order, before any decision."""
        for rows, arrays in self._stream(photos, workers):
            seen = 0
            for name, error in rows:
                if error is not None:
                    yield PhotoFailure(name, error)
                    continue
                categories = arrays.get(_CATEGORY_LOGITS)
                yield Seen(
                    name,
                    arrays[LOGITS][seen],
                    arrays[EMBEDDING][seen],
                    None if categories is None else categories[seen],
                )
                seen += 1

    def answer_and_embed(
        self, views: NDArray[np.float32], k: int = 5
    ) -> tuple[list[Prediction], NDArray[np.float32]]:
        """Name the landmark in photos that somebody else has decoded.

        Args:
            views: (N, V, 3, size, size) float32: `views.photo_views` of each photo.
            k: number of guesses a photo.

        Returns:
            The predictions, of photos named "", and their embeddings, (N, D) float32.
        """
        _check_k(k)
        arrays = self._run(views, self._outputs)
        return self._decide([""] * len(views), arrays, k), arrays[EMBEDDING]

    def embed(self, photos: Iterable[Source], *, workers: int | None = None) -> NDArray[np.float32]:
        """Turn photos into feature vectors.

        Returns:
            (N, D) float32, in order.

        Raises:
            PhotoError: if a photo cannot be read.
        """
        rows = []
        for seen in self.classify(photos, workers=workers):
            if isinstance(seen, PhotoFailure):
                raise seen.error
            rows.append(seen.embedding)
        width = int(self.bundle.manifest.backbone["num_features"])
        return np.stack(rows) if rows else np.zeros((0, width), np.float32)

    def explain(self, photo: Source | Image, landmark: str | None = None) -> Image:
        """Draw where the network sees a landmark in a photo.

        Networks whose head sees an average of the feature map tell it in one run; the
        others are run again with one place covered after the other, some fifty times.

        Args:
            photo: a path, the bytes of a file, or an image.
            landmark: id of the landmark; None takes the best guess.

        Returns:
            The photo, at most 1,024 px, with a heatmap over it.

        Raises:
            PhotoError: if the photo cannot be read.
            UnknownName: if the bundle has no such landmark.
        """
        from waymark.preprocess import prepare
        from waymark.recognise.explain import LONGEST, heatmap, is_averaged, occlusion, overlay

        ids = self.bundle.manifest.tasks[0].ids
        if landmark is not None and landmark not in ids:
            raise UnknownName(f"the bundle has no landmark {landmark!a}.")
        image = self._open(photo, min_side=LONGEST)
        view = prepare(image, self.preprocess)
        averaged = is_averaged(self.bundle.manifest.backbone)
        arrays = self._run(view[None, None], [LOGITS, FEATURE_MAP] if averaged else [LOGITS])
        index = int(arrays[LOGITS][0].argmax()) if landmark is None else ids.index(landmark)
        if averaged:  # of a head that also sees the category, the features come first
            features = arrays[FEATURE_MAP][0]
            weight = self.bundle.statistics["head_weight"][index, : len(features)]
            heat = heatmap(features, weight)
        else:
            heat = occlusion(lambda views: self._run(views[:, None], [LOGITS])[LOGITS], view, index)
        return overlay(image, heat, fit=self.preprocess.fit)

    def _open(self, photo: Source | Image, *, min_side: int | None = None) -> Image:
        if not isinstance(photo, str | bytes | os.PathLike):
            return photo.convert("RGB")
        from waymark.photo import read_photo

        return read_photo(
            photo,
            min_side=min_side or self.preprocess.min_side,
            allow_truncated=self.allow_truncated,
        )

    def _views(self, image: Image) -> NDArray[np.float32]:
        return photo_views(image, self.preprocess, tta=self.tta)

    def _run(
        self, views: NDArray[np.float32], outputs: list[str]
    ) -> dict[str, NDArray[np.float32]]:
        """Run (N, V, 3, H, W) views; the outputs (N, ...) are means over the views."""
        count, each = views.shape[:2]
        arrays = self._session.run(views.reshape(count * each, *views.shape[2:]), outputs)
        manifest = self.bundle.manifest
        for name, classes in (
            (LOGITS, manifest.landmarks),
            (_CATEGORY_LOGITS, manifest.categories),
        ):
            wanted = (count * each, len(classes))
            if name in arrays and arrays[name].shape != wanted:
                raise BundleError(
                    f"the model gives {name} of shape {arrays[name].shape}, bundle.json asks for "
                    f"{wanted}; the bundle is damaged."
                )
        if not all((np.abs(array) <= LARGEST).all() for array in arrays.values()):
            raise BundleError("the model gives numbers that cannot be; the bundle is damaged.")
        return {
            name: array if each == 1 else array.reshape(count, each, *array.shape[1:]).mean(axis=1)
            for name, array in arrays.items()
        }

    def _stream(
        self, photos: Iterable[Source], workers: int | None
    ) -> Iterator[tuple[list[tuple[str, PhotoError | None]], dict[str, NDArray[np.float32]]]]:
        """Yield, for each batch: (name, error) a photo, and the outputs of those without error."""
        from waymark.photo import decode_many

        workers = workers or cores()
        names: deque[str] = deque()
        decoded = decode_many(
            _noting(photos, names.append),
            self._views,
            min_side=self.preprocess.min_side,
            workers=workers,
            allow_truncated=self.allow_truncated,
        )
        pending: deque[tuple[list[tuple[str, PhotoError | None]], Future[Any]]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="waymark-network") as pool:
            try:
                while batch := list(islice(decoded, BATCH)):
                    rows = [
                        (names.popleft(), b if isinstance(b, PhotoError) else None) for b in batch
                    ]
                    views = [b for b in batch if not isinstance(b, PhotoError)]
                    job = pool.submit(self._run, np.stack(views), self._outputs) if views else None
                    pending.append((rows, job or pool.submit(dict)))
                    while len(pending) > workers or (pending and pending[0][1].done()):
                        done, future = pending.popleft()
                        yield done, future.result()
                while pending:
                    done, future = pending.popleft()
                    yield done, future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _decide(
        self, names: list[str], arrays: dict[str, NDArray[np.float32]], k: int
    ) -> list[Prediction]:
        manifest = self.bundle.manifest
        scores = self.decision.scores(arrays[LOGITS])
        unknown = self.decision.unknown(arrays[LOGITS], arrays[EMBEDDING])
        kinds = softmax(arrays[_CATEGORY_LOGITS]) if manifest.categories else None
        return [
            Prediction(
                photo=name,
                known=bool(unknown[row] <= self.threshold),
                unknown_score=float(unknown[row]),
                predictions=tuple(
                    Guess.of(manifest.landmarks[i], float(scores[row, i]))
                    for i in _best(scores[row], k)
                ),
                category_predictions=None
                if kinds is None
                else tuple(
                    CategoryGuess(category=manifest.categories[i].id, score=float(kinds[row, i]))
                    for i in _best(kinds[row], k)
                ),
                bundle=self.bundle.short_hash,
            )
            for row, name in enumerate(names)
        ]


def _noting(photos: Iterable[Source], note: Callable[[str], None]) -> Iterator[Source]:
    for photo in photos:
        note(_name(photo))
        yield photo


def _name(photo: Source | Image) -> str:
    return os.fspath(photo) if isinstance(photo, str | os.PathLike) else ""


def _best(scores: NDArray[np.float32], k: int) -> list[int]:
    """Return the indices of the k largest scores, best first; ties in index order."""
    return [int(i) for i in np.argsort(-scores, kind="stable")[:k]]


def _check_k(k: int) -> None:
    if k < 1:
        raise ConfigError(f"k is {k}; ask for at least 1 guess.")
