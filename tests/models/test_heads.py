"""Poolings, hidden layers, heads of cosines and the angular margin do what they say."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from waymark.errors import ShapeError  # noqa: E402
from waymark.models.build import build  # noqa: E402
from waymark.models.design import Design  # noqa: E402
from waymark.models.heads import (  # noqa: E402
    Cosine,
    Flatten,
    GeM,
    Grid,
    Neck,
    SubCentreCosine,
    activation,
    arcface_margin,
    collapse,
)


def noise(*shape: int, seed: int = 0) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 7), (7, 7), (8, 14), (13, 9), (32, 5)])
def test_the_grid_is_torchs_adaptive_average(size: tuple[int, int]) -> None:
    """At sides below, equal to and above 7, multiples of it or not."""
    feature_map = noise(2, 3, *size)
    wanted = functional.adaptive_avg_pool2d(feature_map, (7, 7)).flatten(1)

    torch.testing.assert_close(Grid()(feature_map), wanted)


def test_gem_lies_between_the_mean_and_the_maximum() -> None:
    """At exponent 1 it is the mean, at 3 more, at a large one nearly the maximum."""
    feature_map = noise(2, 5, 4, 4).abs() + 0.1
    means, most = feature_map.mean((2, 3)), feature_map.amax((2, 3))
    values = [GeM(exponent)(feature_map) for exponent in (1.0, 3.0, 60.0)]

    torch.testing.assert_close(values[0], means)
    assert (means < values[1]).all()
    assert (values[1] < values[2]).all()
    assert (values[2] <= most).all()
    assert (values[2] > 0.9 * most).all()


def test_gem_learns_even_where_nothing_is_seen() -> None:
    """A map of zeros and below gives finite slopes for the map and for the exponent."""
    pool = GeM()
    feature_map = torch.cat([torch.zeros(1, 2, 3, 3), noise(1, 2, 3, 3)]).requires_grad_()
    pool(feature_map).sum().backward()

    assert feature_map.grad is not None
    assert torch.isfinite(feature_map.grad).all()
    assert pool.exponent.grad is not None
    assert torch.isfinite(pool.exponent.grad).all()


def test_flatten_refuses_another_size() -> None:
    """The message says what was expected, and what would take any size."""
    assert Flatten((2, 3, 3))(noise(4, 2, 3, 3)).shape == (4, 18)
    with pytest.raises(ShapeError, match=r"\(2, 3, 3\).*pool = grid"):
        Flatten((2, 3, 3))(noise(4, 2, 3, 4))


@pytest.mark.parametrize(
    ("pool", "width"), [("mean", 6), ("gem", 6), ("grid", 6 * 49), ("flatten", 6 * 4)]
)
@pytest.mark.parametrize("hidden", [(), (10,), (10, 4)])
def test_the_neck_is_as_wide_as_it_says(pool: Any, width: int, hidden: tuple[int, ...]) -> None:
    """Of each pooling, without and with hidden layers."""
    neck = Neck(Design(pool=pool, hidden=hidden), (6, 2, 2))

    assert neck.width == (hidden[-1] if hidden else width)
    assert neck(noise(3, 6, 2, 2)).shape == (3, neck.width)


def test_hidden_layers_are_dense_normalised_active_and_dropped() -> None:
    """In this order; the last dropout is the head's own."""
    neck = Neck(
        Design(hidden=(8, 4), hidden_norm=True, dropout=0.5, activation="leaky-relu"), (6, 1, 1)
    )
    kinds = [type(layer) for layer in neck.hidden]

    block = [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU]
    assert kinds == [*block, nn.Dropout, *block]


def test_the_leaky_activation_lets_a_hundredth_through() -> None:
    """And the three give the same for what is positive."""
    x = torch.tensor([-2.0, 3.0])
    layers = {name: activation(name) for name in ("relu", "leaky-relu", "elu")}  # type: ignore[arg-type]

    assert layers["relu"](x).tolist() == [0.0, 3.0]
    torch.testing.assert_close(layers["leaky-relu"](x), torch.tensor([-0.02, 3.0]))
    torch.testing.assert_close(layers["elu"](x), torch.tensor([math.exp(-2.0) - 1.0, 3.0]))


def test_the_nearest_centre_counts() -> None:
    """Cosines are those of each class's best centre, whatever lengths are; logits scale them."""
    head = SubCentreCosine(6, 4, centres=3, scale=20.0)
    embedding = noise(5, 6)
    every = functional.cosine_similarity(
        embedding[:, None, None], head.weight.detach()[None], dim=3
    )

    torch.testing.assert_close(head.cosines(embedding), every.amax(2))
    torch.testing.assert_close(head.cosines(embedding * 7), every.amax(2))
    torch.testing.assert_close(head(embedding), 20 * every.amax(2))
    assert torch.equal(head.nearest_centres(embedding), every.argmax(2))


def test_cosines_keep_their_digits_in_half_precision() -> None:
    """Under autocast they are float32 all the same."""
    head, embedding = SubCentreCosine(6, 4, centres=2, scale=30.0), noise(5, 6)
    wanted = head.cosines(embedding)
    with torch.autocast("cpu", torch.bfloat16):
        got = head.cosines(embedding)

    assert got.dtype == torch.float32
    torch.testing.assert_close(got, wanted)


def test_a_collapsed_head_answers_by_the_kept_centres() -> None:
    """Its logits are `scale` times the cosine to the centre that was kept."""
    design = Design(backbone="scratch_cnn5", size=32, centres=3, scale=12.0)
    model = build(design, {"landmark": 4}, seed=0).eval()
    head = model.heads["landmark"]
    assert isinstance(head, SubCentreCosine)
    kept = torch.tensor([2, 0, 1, 1])
    centres = head.weight.detach()[torch.arange(4), kept]
    embedding = noise(5, 256)

    collapse(model, kept)

    cosines = functional.cosine_similarity(embedding[:, None], centres[None], dim=2)
    torch.testing.assert_close(model.heads["landmark"](embedding), 12 * cosines)
    assert isinstance(model.heads["landmark"], Cosine)
    collapse(model, kept)  # nothing is left to do


@pytest.mark.parametrize("kept", [[0, 0], [0, 1, 2, 3], [-1, 0, 0, 0]])
def test_collapsing_needs_one_centre_a_class(kept: list[int]) -> None:
    """Of those there are."""
    model = build(Design(backbone="scratch_cnn5", size=32, centres=3), {"landmark": 4})

    with pytest.raises(ShapeError, match="kept"):
        collapse(model, torch.tensor(kept))


def test_the_margin_turns_the_true_class_away() -> None:
    """The angle to the true class grows by the margin; other classes and -1 rows stay."""
    angles = torch.tensor([[0.3, 1.0, 2.0], [1.5, 0.7, 0.1], [0.2, 0.4, 0.6]], dtype=torch.float64)
    labels = torch.tensor([1, 0, -1])
    got = arcface_margin(angles.cos(), labels, 0.4)

    wanted = angles.clone()
    wanted[0, 1] += 0.4
    wanted[1, 0] += 0.4
    torch.testing.assert_close(got, wanted.cos())


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5, 1.5])
def test_the_margined_cosine_falls_with_the_angle(margin: float) -> None:
    """All the way to the opposite direction, so that there is always a way back; never up."""
    cosines = torch.linspace(-1, 1, 4001, dtype=torch.float64)[:, None]
    got = arcface_margin(cosines, torch.zeros(len(cosines), dtype=torch.int64), margin)

    assert (got <= cosines + 1e-9).all()
    assert (got.diff(dim=0) > -1e-2 * margin).all()  # at the poles the sine is kept off zero
    inner = (cosines[:, 0] > -math.cos(margin) + 1e-3) & (cosines[:, 0] < 0.999)
    assert (got[inner].diff(dim=0) > 0).all()


@pytest.mark.parametrize("cosine", [-1.0, 1.0])
def test_the_margins_slope_is_finite_at_the_poles(cosine: float) -> None:
    """An embedding that has reached its class does not blow the weights up."""
    cosines = torch.full((2, 3), cosine, requires_grad=True)
    arcface_margin(cosines, torch.tensor([0, 2]), 0.5).sum().backward()

    assert cosines.grad is not None
    assert torch.isfinite(cosines.grad).all()
