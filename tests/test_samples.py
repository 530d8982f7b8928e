"""The rendered samples: always the same, of any size, and what they say they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from waymark import samples
from waymark.errors import ConfigError, UnknownName
from waymark.samples.landmarks import LANDMARKS
from waymark.samples.others import OTHERS
from waymark.samples.paint import _normals
from waymark.samples.scene import Scene
from waymark.samples.shapes import bar, box, column, dome, gable, lean, turn

EVERYTHING = samples.SAMPLES + samples.DISTRACTORS
SMALL = (64, 48)


def scene(name: str) -> Scene:
    return LANDMARKS[name]() if name in LANDMARKS else OTHERS[name](np.random.default_rng(0))


def test_there_are_enough_and_no_name_is_used_twice() -> None:
    """At least eight landmarks and several other scenes, all of different names."""
    assert len(samples.SAMPLES) >= 8
    assert len(samples.DISTRACTORS) >= 5
    assert len(set(EVERYTHING)) == len(EVERYTHING)


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_sample_is_a_picture_of_something(name: str) -> None:
    """Each renders in RGB, at the default size, with more in it than one colour."""
    photo = samples.render(name, seed=0)

    assert (photo.mode, photo.size) == ("RGB", (320, 240))
    assert np.asarray(photo).std() > 3


@pytest.mark.parametrize("name", EVERYTHING)
def test_name_and_seed_decide_the_picture(name: str) -> None:
    """The same name and seed give the same pixels; another seed gives others."""
    once = samples.render(name, seed=5, size=SMALL)

    assert ImageChops.difference(once, samples.render(name, seed=5, size=SMALL)).getbbox() is None
    assert ImageChops.difference(once, samples.render(name, seed=6, size=SMALL)).getbbox()


@pytest.mark.parametrize("size", [(16, 16), (33, 97), (200, 40), (48, 64)])
def test_any_size_and_aspect(size: tuple[int, int]) -> None:
    """A picture has exactly the size that was asked for."""
    assert samples.render("castle", seed=1, size=size).size == size


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_scene_fits_the_frame_it_asks_for(name: str) -> None:
    """All points are finite, not far under ground, and about as high as the scene says."""
    built = scene(name)
    top = built.mesh.quads[..., 2].max()

    assert np.isfinite(built.mesh.quads).all()
    assert built.mesh.quads[..., 2].min() > -2
    assert top <= 1.6 * built.height
    assert ((built.mesh.colour >= 0) & (built.mesh.colour <= 1.1)).all()


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_landmark_stays_the_same_building(name: str) -> None:
    """A landmark's shape does not depend on any seed."""
    assert np.array_equal(scene(name).mesh.quads, scene(name).mesh.quads)


@pytest.mark.parametrize(
    "solid",
    [
        box((2, 3, 4), (1, 1, 1), (0, 0, -2), cell=1),
        column(1, 4, (1, 1, 1), (0, 0, -2)),
        dome(2, (1, 1, 1), (0, 0, -0.5)),
        bar((0, 0, -3), (0, 0.5, 3), 1, (1, 1, 1)),
        gable((4, 4, 2), (1, 1, 1), (0, 0, -0.5)),
        turn(lean(box((2, 2, 2), (1, 1, 1), (0, 0, -1), top=0.5), 20), 77),
    ],
    ids=["box", "column", "dome", "bar", "gable", "turned"],
)
def test_faces_of_solids_look_outwards(solid: object) -> None:
    """Every face of a solid about the origin has its normal away from the origin."""
    quads = solid.quads  # type: ignore[attr-defined]
    outward = np.einsum("nc,nc->n", _normals(quads), quads.mean(axis=1))

    assert (outward > -1e-9).all()


def test_pictures_of_a_landmark_are_alike() -> None:
    """Even a nearest-neighbour look at 24 x 24 grey edges beats chance by far."""

    def look(name: str, seed: int) -> np.ndarray:
        grey = np.asarray(samples.render(name, seed=seed, size=(96, 96)).convert("L"), float)
        edges = np.hypot(*np.gradient(grey))
        small = edges.reshape(24, 4, 24, 4).mean(axis=(1, 3)).ravel()
        return small / np.linalg.norm(small)

    names = ("suspension_bridge", "stepped_pyramid", "obelisk", "columned_temple")
    taught = np.array([[look(name, seed) for seed in range(12)] for name in names])
    asked = [(i, look(name, 100 + seed)) for i, name in enumerate(names) for seed in range(8)]
    right = [int((taught @ view).max(axis=1).argmax()) == i for i, view in asked]

    assert np.mean(right) > 0.5


def test_unknown_names_come_with_the_nearest() -> None:
    """A mistyped name is answered with the right one."""
    with pytest.raises(UnknownName, match="did you mean 'castle'"):
        samples.render("castel", seed=0)


@pytest.mark.parametrize(
    ("seed", "size"), [(-1, SMALL), (0, (0, 10)), (0, (20_000, 20)), (0, (8, 8))]
)
def test_impossible_seeds_and_sizes_are_refused(seed: int, size: tuple[int, int]) -> None:
    """A negative seed, or a side out of range, is an error that says what is possible."""
    with pytest.raises(ConfigError, match="16 to 4096"):
        samples.render("castle", seed=seed, size=size)


def test_write_samples_makes_a_dataset(tmp_path: Path) -> None:
    """Photos lie in label/NNN.jpg, some of them upright, the same each time."""
    names = ("castle", "obelisk")
    for folder in ("one", "two"):
        root = samples.write_samples(
            tmp_path / folder, per_landmark=3, seed=4, size=SMALL, names=names
        )
        assert root == tmp_path / folder
    one, two = (sorted((tmp_path / folder).rglob("*.jpg")) for folder in ("one", "two"))

    assert [str(path.relative_to(tmp_path / "one")) for path in one] == [
        f"{name}/00{i}.jpg" for name in names for i in range(3)
    ]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    sizes = set()
    for path in one:
        with Image.open(path) as photo:
            sizes.add(photo.size)
    assert sizes == {SMALL, SMALL[::-1]}
