"""The loss, against torch's own cross-entropy, and what it asks of negatives."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from waymark.training.loop_loss import ClassLoss, mixer  # noqa: E402
from waymark.training.recipe import Recipe  # noqa: E402

LABELS = (0, 0, 0, 0, 1, 1, 2, -1)
CLASSES = 3


@pytest.fixture
def logits() -> Tensor:
    """Return (5, 3) logits."""
    return torch.randn(5, CLASSES, generator=torch.Generator().manual_seed(0)) * 3


def loss_of(recipe: Recipe, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the recipe's loss of hard labels."""
    loss = ClassLoss(recipe, LABELS, classes=CLASSES)
    value: Tensor = loss(logits, loss.targets(labels), labels)
    return value


@pytest.mark.parametrize("class_weights", ["none", "inverse", "balanced"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_known_photos_cost_what_torch_says(
    class_weights: str, smoothing: float, logits: Tensor
) -> None:
    """Weights are those of the class of each photo; the mean is weighted too."""
    labels = torch.tensor([0, 1, 2, 1, 0])
    counts = torch.tensor([4.0, 2.0, 1.0])
    weights = {"none": torch.ones(3), "inverse": 1 / counts, "balanced": 7 / (3 * counts)}
    each = nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    expected = (weights[class_weights][labels] * each).sum() / weights[class_weights][labels].sum()

    recipe = Recipe(class_weights=class_weights, label_smoothing=smoothing)  # type: ignore[arg-type]
    torch.testing.assert_close(loss_of(recipe, logits, labels), expected)
    if not smoothing:
        torch.testing.assert_close(
            expected,
            nn.functional.cross_entropy(logits, labels, weight=weights[class_weights]),
        )


@pytest.mark.parametrize("class_weights", ["none", "inverse"])
def test_log_softmax_and_nll_loss_are_cross_entropy(class_weights: str, logits: Tensor) -> None:
    """What two of the seeds minimise is the same function, with its gradients."""
    labels = torch.tensor([0, 1, 2, 1, 0])
    given = [logits.clone().requires_grad_() for _ in range(2)]
    losses = [
        loss_of(Recipe(loss=loss, class_weights=class_weights), one, labels)  # type: ignore[arg-type]
        for loss, one in zip(("nll", "cross-entropy"), given, strict=True)
    ]
    slopes = [torch.autograd.grad(loss, one)[0] for loss, one in zip(losses, given, strict=True)]

    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*slopes)


def test_a_margin_makes_the_true_class_dearer_and_nothing_else() -> None:
    """With a margin the loss is higher; without one it is that of scaled cosines."""
    cosines = torch.tensor([[0.9, 0.1, -0.5], [0.2, 0.3, 0.1]])
    labels = torch.tensor([0, 1])
    plain = nn.functional.cross_entropy(30 * cosines, labels)

    def loss(margin: float) -> Tensor:
        return loss_of(Recipe(loss="arcface", margin=margin), 30 * cosines, labels)

    torch.testing.assert_close(loss(0.0), plain, rtol=1e-4, atol=1e-5)
    assert loss(0.3) > loss(0.1) > plain


def test_a_negative_asks_for_no_opinion() -> None:
    """Its loss is lowest, log C, where all classes are equally likely."""
    labels = torch.tensor([-1])
    recipe = Recipe(negatives=0.5)

    even = loss_of(recipe, torch.zeros(1, CLASSES), labels)
    sure = loss_of(recipe, torch.tensor([[5.0, 0.0, 0.0]]), labels)

    assert float(even) == pytest.approx(math.log(CLASSES))
    assert sure > even


def test_negatives_count_by_their_weight(logits: Tensor) -> None:
    """A weight of 0 leaves them out; the mean is over weights."""
    labels = torch.tensor([0, 1, 2, -1, -1])
    known = loss_of(Recipe(), logits[:3], labels[:3])
    uniform = -nn.functional.log_softmax(logits[3:], 1).mean()

    torch.testing.assert_close(loss_of(Recipe(negatives=0.0), logits, labels), known)
    torch.testing.assert_close(
        loss_of(Recipe(negatives=0.5), logits, labels), (3 * known + 2 * 0.5 * uniform) / 4
    )


def test_only_negatives_of_no_weight_cost_nothing(logits: Tensor) -> None:
    """There is nothing to divide by, and the result is still a number."""
    assert float(loss_of(Recipe(), logits, torch.full((5,), -1))) == 0.0


def test_a_class_without_photos_does_not_make_weights_infinite() -> None:
    """Its weight is that of a class with one photo."""
    loss = ClassLoss(Recipe(class_weights="inverse"), (0, 0, 1), classes=3)

    assert loss.get_buffer("weights").tolist() == [0.5, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("recipe", [Recipe(mixup=0.4), Recipe(cutmix=1.0)], ids=["mixup", "cutmix"])
def test_mixed_targets_are_still_distributions(recipe: Recipe) -> None:
    """Photos keep their shape, and each row of targets still sums to 1."""
    torch.manual_seed(0)
    photos = torch.rand(6, 3, 8, 8)
    targets = torch.eye(6)

    mixed, soft = mixer(recipe)(photos, targets)

    assert mixed.shape == photos.shape
    assert not torch.equal(mixed, photos)
    torch.testing.assert_close(soft.sum(1), torch.ones(6))


def test_without_mixing_nothing_is_touched() -> None:
    """The very tensors come back."""
    photos, targets = torch.rand(2, 3, 8, 8), torch.eye(2)

    assert mixer(Recipe())(photos, targets) == (photos, targets)
