"""Photos on their way to a training: what is drawn, how it is changed, what is kept."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from waymark.dataset.loader import (  # noqa: E402
    NEGATIVE,
    NEGATIVE_SHARE,
    Batch,
    EpochSampler,
    PhotoStream,
    Source,
    plain_loader,
    training_loader,
)
from waymark.dataset.loader_augment import AUGMENTERS, VIEWS  # noqa: E402
from waymark.photo import read_photo  # noqa: E402
from waymark.preprocess import Preprocess, fit_square  # noqa: E402

PREPROCESS = Preprocess(size=32)
UNEVEN = (0,) * 90 + (1,) * 9 + (2,) * 1
Save = Callable[..., Path]


@pytest.fixture
def source(save: Save) -> Source:
    """Return nine photos of two landmarks, and three of none."""
    labels = (0, 1, 0, 1, 0, 1, 0, 1, 0, NEGATIVE, NEGATIVE, NEGATIVE)
    return Source(paths=tuple(save(f"{i}.png") for i in range(len(labels))), labels=labels)


def drawn(sampler: EpochSampler, epoch: int) -> list[int]:
    """Return the items of one epoch."""
    sampler.epoch = epoch
    return [item for item, _ in sampler]


def epoch_of(source: Source, *, workers: int, epoch: int, seed: int = 0) -> list[Batch]:
    """Return the batches of one epoch, strongly changed."""
    loader, sampler = training_loader(
        source,
        PREPROCESS,
        augment="strong",
        batch=4,
        balance=0.5,
        negatives=True,
        workers=workers,
        seed=seed,
    )
    sampler.epoch = epoch
    return list(loader)


def same(one: list[Batch], two: list[Batch]) -> bool:
    """Say whether two epochs are the same to the last pixel."""
    return all(
        torch.equal(x, y) for a, b in zip(one, two, strict=True) for x, y in zip(a, b, strict=True)
    )


def test_without_balance_each_photo_is_drawn_once() -> None:
    """In an order of its own each epoch."""
    sampler = EpochSampler(UNEVEN, balance=0.0, negatives=False, seed=0)

    first, second = drawn(sampler, 1), drawn(sampler, 2)

    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second


@pytest.mark.parametrize(
    ("balance", "shares"), [(1.0, (1 / 3, 1 / 3, 1 / 3)), (0.5, (0.703, 0.222, 0.074))]
)
def test_balance_draws_rare_landmarks_more_often(balance: float, shares: tuple[float, ...]) -> None:
    """Each landmark's share is n^(1 - balance) of the whole, within one photo."""
    sampler = EpochSampler(UNEVEN, balance=balance, negatives=False, seed=0)
    labels = Counter(UNEVEN[item] for item in drawn(sampler, 1))

    assert len(sampler) == 100
    for label, share in enumerate(shares):
        assert abs(labels[label] - 100 * share) <= 1.5


def test_negatives_are_a_twelfth_on_top() -> None:
    """However many there are; none where they are not asked for."""
    labels = (0, 1) * 60 + (NEGATIVE,) * 500
    items = drawn(EpochSampler(labels, balance=0.0, negatives=True, seed=0), 1)
    without = drawn(EpochSampler(labels, balance=0.0, negatives=False, seed=0), 1)

    assert sum(labels[item] == NEGATIVE for item in items) == round(120 * NEGATIVE_SHARE) == 10
    assert len(items) == 130
    assert sorted(without) == list(range(120))


def test_a_draw_depends_on_seed_and_epoch_only() -> None:
    """A sampler made anew, as by a resumed run, draws the same."""
    one, two, other = (
        EpochSampler(UNEVEN, balance=0.5, negatives=False, seed=seed) for seed in (3, 3, 4)
    )
    drawn(one, 1)

    assert drawn(one, 2) == drawn(two, 2) != drawn(other, 2)


def test_workers_do_not_change_what_is_seen(source: Source) -> None:
    """The same seed and epoch give the same pixels, in this process and in two others."""
    here = epoch_of(source, workers=0, epoch=3)

    assert same(here, epoch_of(source, workers=2, epoch=3))
    assert not same(here, epoch_of(source, workers=0, epoch=4))
    assert not same(here, epoch_of(source, workers=0, epoch=3, seed=1))


def test_validation_sees_what_prediction_sees(source: Source) -> None:
    """Every photo once, in order, as `fit_square` makes it."""
    batches = list(plain_loader(source, PREPROCESS, batch=5, workers=0))

    assert torch.cat([b.items for b in batches]).tolist() == list(range(12))
    assert torch.cat([b.labels for b in batches]).tolist() == list(source.labels)
    for path, pixels in zip(source.paths, torch.cat([b.photos for b in batches]), strict=True):
        assert np.array_equal(
            pixels.numpy().transpose(1, 2, 0), fit_square(read_photo(path), PREPROCESS)
        )


def test_a_photo_that_breaks_in_mid_training_teaches_nothing(source: Source) -> None:
    """It becomes an empty negative, and the training goes on."""
    source.paths[2].write_bytes(b"\x89PNG no more")
    pixels, label, item = PhotoStream(source, PREPROCESS, "strong", 0)[2, 1]

    assert (label, item) == (NEGATIVE, 2)
    assert not pixels.any()


@pytest.mark.parametrize("name", AUGMENTERS)
def test_every_augmenter_gives_a_square_of_bytes(
    name: str, draw: Callable[..., Image.Image]
) -> None:
    """RGB of the asked size, whatever the photo's; the same generator gives the same."""
    sizes = ((96, 72), (31, 200), (500, 20), (8, 8))
    for number, size in enumerate(sizes * 6):
        photo = draw(number, size)
        one, two = (AUGMENTERS[name](photo, np.random.default_rng(number), 64) for _ in range(2))
        assert (one.mode, one.size) == ("RGB", (64, 64))
        assert one.tobytes() == two.tobytes()
        assert photo.tobytes() == draw(number, size).tobytes()  # the photo itself is left alone


def test_strong_changes_differ_from_draw_to_draw(draw: Callable[..., Image.Image]) -> None:
    """Twelve views of a photo are twelve pictures."""
    views = {
        AUGMENTERS["strong"](draw(0), np.random.default_rng(seed), 32).tobytes()
        for seed in range(12)
    }

    assert len(views) == 12


@pytest.mark.parametrize(("name", "count"), VIEWS.items())
def test_a_photo_has_only_so_many_views(source: Source, name: str, count: int) -> None:
    """However often it is drawn; the first is what prediction sees."""
    stream = PhotoStream(source, PREPROCESS, name, 0)
    drawn = {stream[0, draw][0].numpy().tobytes() for draw in range(40)}
    seen = PhotoStream(source, PREPROCESS, "none", 0)[0][0]

    assert len(drawn) == count
    assert torch.equal(stream.view(0, 0)[0], seen)
    assert {stream.view(0, view)[0].numpy().tobytes() for view in range(count)} == drawn


def test_copies_show_each_of_five_views_once_an_epoch(source: Source) -> None:
    """Five copies of every photo, and of `five` each view of it."""
    sampler = EpochSampler(source.labels, balance=0, negatives=False, seed=0, copies=5)
    sampler.epoch = 3
    drawn = list(sampler)

    assert len(drawn) == len(sampler) == 9 * 5
    for item in range(9):
        assert sorted(draw % 5 for i, draw in drawn if i == item) == [0, 1, 2, 3, 4]


def test_memory_does_not_grow_with_photos(save: Save) -> None:
    """Ten times the photos take only the room of their names."""

    def most(count: int) -> int:
        path = save("one.png")
        many = Source(paths=(path,) * count, labels=(0,) * count)
        stream = PhotoStream(many, PREPROCESS, "flip", 0)
        stream[0, 0]
        tracemalloc.start()
        for item in range(count):
            stream[item, 1]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert most(200) < most(20) + 50_000  # bytes; a photo as the network sees it has 3,072
