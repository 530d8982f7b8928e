"""Copies of rendered photos are found; other photos of the same landmarks are not."""

from __future__ import annotations

from functools import cache
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from waymark.dataset.alike import LOOK_SIDE, Pairs, find_alike, look
from waymark.samples import SAMPLES, render

PHOTOS = 40


@cache
def photo(number: int) -> Image.Image:
    """Render photo `number`: landmarks take turns, the viewpoint is always another."""
    name = SAMPLES[number % len(SAMPLES)]
    return render(name, seed=number, size=((240, 180), (180, 240))[number % 2])


@cache
def looks() -> NDArray[np.uint8]:
    """Return the looks of the photos."""
    return np.stack([look(photo(number)) for number in range(PHOTOS)])


def copied(number: int, seed: int, *, mirrored: bool = False) -> Image.Image:
    """Return a photo cropped by up to 8 % of each side, made smaller and re-encoded."""
    rng = np.random.default_rng(seed)
    one = photo(number)
    kept = rng.uniform(0.92, 1, 2)
    corner = rng.uniform(0, 1 - kept)
    box = (*corner * one.size, *(corner + kept) * one.size)
    size = [round(side) for side in kept * one.size * rng.uniform(0.5, 0.8)]
    one = one.resize((size[0], size[1]), Image.Resampling.BICUBIC, box=box)
    return encoded(ImageOps.mirror(one) if mirrored else one, quality=int(rng.integers(40, 71)))


def encoded(one: Image.Image, *, quality: int) -> Image.Image:
    """Return what is left of a photo in a JPEG."""
    with BytesIO() as file:
        one.save(file, "JPEG", quality=quality)
        with Image.open(file) as opened:
            return opened.convert("RGB")


def with_copies(copies: list[Image.Image]) -> Pairs:
    """Return the pairs among the photos and `copies`."""
    return find_alike(np.concatenate([looks(), np.stack([look(one) for one in copies])]))


def flagged(pairs: Pairs) -> set[tuple[int, int, bool]]:
    """Return the pairs as a set."""
    return set(zip(*(part.tolist() for part in pairs[:3]), strict=True))


@pytest.mark.parametrize("mirrored", [False, True])
def test_copies_that_are_cropped_smaller_and_encoded_again_are_found(mirrored):
    """Of 40 photos at least 38 are paired with their copy, in the right sense, and only so."""
    found = flagged(with_copies([copied(n, n, mirrored=mirrored) for n in range(PHOTOS)]))

    assert found <= {(n, PHOTOS + n, mirrored) for n in range(PHOTOS)}
    assert len(found) >= 38


def test_other_photos_of_the_same_landmarks_are_no_pairs():
    """Many photos of few landmarks: not one pair."""
    assert len(find_alike(looks()).one) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda one: ImageOps.grayscale(one).convert("RGB"),
        lambda one: one.point(lambda value: round(255 * (value / 255) ** 0.6)),
        lambda one: ImageOps.colorize(ImageOps.grayscale(one), "#301800", "#fff0d0"),
        lambda one: one.resize((200, 200)),
    ],
    ids=["grey", "brighter", "sepia", "squashed"],
)
def test_recoloured_and_stretched_copies_are_found(change):
    """New colours or another aspect hide no copy."""
    found = flagged(with_copies([change(photo(n)) for n in range(PHOTOS)]))

    assert found == {(n, PHOTOS + n, False) for n in range(PHOTOS)}


def test_watermarked_copies_are_found():
    """A line of text across a photo hides hardly any copy."""

    def marked(number: int) -> Image.Image:
        one = photo(number).copy()
        ImageDraw.Draw(one).text((20, 80), "(c) somebody, 2020", fill="white", font_size=18)
        return one

    found = flagged(with_copies([marked(n) for n in range(PHOTOS)]))

    assert found <= {(n, PHOTOS + n, False) for n in range(PHOTOS)}
    assert len(found) >= 36


def test_likeness_falls_with_the_quality_of_the_copy():
    """An identical look has likeness 1; a worse copy has less."""
    pairs = with_copies([photo(0), encoded(photo(1), quality=90), copied(2, 0)])
    same, good, bad = pairs.likeness

    assert same == 1
    assert 1 > good > bad > 0


def test_the_order_of_the_photos_does_not_matter():
    """Shuffled photos give the same pairs with the same likeness."""
    copies = [look(copied(n, n, mirrored=n % 3 == 0)) for n in range(PHOTOS)]
    pile = np.concatenate([looks(), np.stack(copies)])
    order = np.random.default_rng(0).permutation(len(pile))
    pairs, shuffled = find_alike(pile), find_alike(pile[order])

    def rows(pairs: Pairs, names: NDArray[np.intp]) -> list[tuple[int, int, bool, float]]:
        ends = np.sort(np.stack([names[pairs.one], names[pairs.two]]), axis=0).tolist()
        return sorted(zip(*ends, pairs.mirrored.tolist(), pairs.likeness.tolist(), strict=True))

    assert rows(pairs, np.arange(len(pile))) == rows(shuffled, order)


def test_pairs_are_sorted_and_none_comes_twice():
    """`one` is below `two`, and ascending; even a symmetric picture is in one pair only."""
    symmetric = np.maximum(looks()[0], looks()[0][:, ::-1])
    nearly = np.clip(symmetric.astype(int) + np.arange(LOOK_SIDE) // 12, 0, 255)
    pile = np.stack([looks()[1], symmetric, nearly.astype(np.uint8), looks()[1]])
    pairs = find_alike(pile)

    assert list(zip(pairs.one.tolist(), pairs.two.tolist(), strict=True)) == [(0, 3), (1, 2)]


def test_identical_looks_are_all_paired_with_one_of_them():
    """Five times the same picture: four pairs, likeness 1."""
    pairs = find_alike(np.repeat(looks()[:1], 5, axis=0))

    assert pairs.one.tolist() == [0] * 4
    assert pairs.two.tolist() == [1, 2, 3, 4]
    assert pairs.likeness.tolist() == [1] * 4


def test_flat_photos_are_never_paired():
    """Blank pages, night, fog, slow gradients and noise are nobody's copy."""
    rng = np.random.default_rng(0)
    plain = [np.full((LOOK_SIDE, LOOK_SIDE), grey) for grey in (0, 0, 128, 255)]
    noisy = [rng.normal(128, 2.5, (LOOK_SIDE, LOOK_SIDE)) for _ in range(20)]
    slope = np.linspace(0, 1, LOOK_SIDE)
    skies = [
        base + slope[:, None] * height + rng.normal(0, 0.7, (LOOK_SIDE, LOOK_SIDE))
        for base, height in rng.uniform((60, 20), (120, 60), (20, 2))
    ]
    loud = [rng.uniform(0, 255, (LOOK_SIDE, LOOK_SIDE)) for _ in range(20)]
    pile = np.stack([*plain, *noisy, *skies, *loud]).round().clip(0, 255).astype(np.uint8)

    assert len(find_alike(pile).one) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_photos_to_pair(count):
    """No photo, or one alone, gives no pairs, of the promised types."""
    pairs = find_alike(looks()[:count])

    assert [len(part) for part in pairs] == [0] * 4
    assert [part.dtype for part in pairs] == [np.intp, np.intp, bool, np.float32]


def test_a_look_is_small_and_grey_whatever_the_photo():
    """Any size and aspect gives (48, 48) bytes; a single pixel does too."""
    for size in ((1, 1), (3000, 20), (47, 480)):
        small = look(Image.new("RGB", size, (255, 0, 0)))

        assert small.shape == (LOOK_SIDE, LOOK_SIDE)
        assert small.dtype == np.uint8
        assert np.ptp(small) == 0
