"""A folder of photos and a library of them, to move, change and tag again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.library.store import Store
from waymark.library.store_query import Filter, Listed, every
from waymark.library.tag import TagReport, tag
from waymark.recognise.recogniser import Recogniser


class Home:
    """Photos and their library; tagging finds a landmark in every photo."""

    def __init__(self, folder: Path, store: Store, recogniser: Recogniser) -> None:
        self.folder, self.store, self.recogniser = folder, store, recogniser

    def photo(self, name: str, seed: int, **exif: Any) -> Path:
        """Write a photo of coloured noise; `taken`, `offset` and `gps` go into its EXIF."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        image = Image.fromarray(blocks).resize((90, 70))
        block = image.getexif()
        for number, key in ((0x9003, "taken"), (0x9011, "offset")):
            if key in exif:
                block.get_ifd(0x8769)[number] = exif[key]
        if "gps" in exif:
            lat, lon = exif["gps"]
            place = block.get_ifd(0x8825)
            place.update({1: "N" if lat >= 0 else "S", 2: (abs(lat), 0.0, 0.0)})
            place.update({3: "E" if lon >= 0 else "W", 4: (abs(lon), 0.0, 0.0)})
        image.save(path, "JPEG", exif=block)
        return path

    def tag(self, *sources: Path, **options: Any) -> TagReport:
        """Tag the folder, or only some of it."""
        given = {"bundle": self.recogniser, "workers": 2} | options
        return tag(sources or [self.folder], self.store, **given)

    def listed(self, **wanted: Any) -> dict[str, Listed]:
        """Return the library's photos by their path in the folder."""
        return {
            photo.path.relative_to(self.folder).as_posix(): photo
            for photo in every(self.store, Filter(**wanted))
        }

    def said(self) -> dict[str, tuple[str, str | None]]:
        """Return state and landmark of each photo."""
        return {
            name: (photo.state, photo.landmark and photo.landmark.id)
            for name, photo in self.listed().items()
        }

    def number(self, name: str) -> int:
        """Return the number of a photo."""
        return self.listed()[name].id

    def rows(self) -> int:
        """Return how many photos the library has, those that are gone too."""
        (count,) = self.store.connection.execute("SELECT count(*) FROM photo").fetchone()
        return int(count)


@pytest.fixture(scope="session")
def all_known(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Recogniser]:
    """Return a function that makes tiny bundles, for which nothing is unknown.

    They know four landmarks, thousands of kilometres apart.
    """
    made: dict[int, Recogniser] = {}

    def make(seed: int = 0) -> Recogniser:
        if seed not in made:
            path = tmp_path_factory.mktemp("bundle") / "tiny.waymark"
            bundle = tiny_bundle(4, seed=seed)
            task = bundle.manifest.tasks[0]
            apart = [replace(each, lat=40.0 * i - 60) for i, each in enumerate(task.classes)]
            tasks = (replace(task, classes=tuple(apart)),)
            write_bundle(path, replace(bundle, manifest=replace(bundle.manifest, tasks=tasks)))
            made[seed] = Recogniser.from_bundle(path, unknown_threshold=1.0)
        return made[seed]

    return make


@pytest.fixture
def new_home(
    tmp_path_factory: pytest.TempPathFactory, all_known: Callable[..., Recogniser]
) -> Iterator[Callable[[], Home]]:
    """Return a function that makes a folder with an empty library beside it."""
    stores = []

    def make() -> Home:
        root = tmp_path_factory.mktemp("home").resolve()
        (root / "photos").mkdir()
        stores.append(Store.open(root / "l.sqlite"))
        return Home(root / "photos", stores[-1], all_known())

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def home(new_home: Callable[[], Home]) -> Home:
    """Return an empty folder with an empty library beside it."""
    return new_home()
