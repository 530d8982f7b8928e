"""What comes after the backbone: the neck that makes one vector, and the heads of cosines.

In:  a feature map (N, F, h, w).
Out: a vector (N, D) from the neck; (N, C) logits from a head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from waymark.errors import ShapeError
from waymark.models.design import Activation, Design, Pool

if TYPE_CHECKING:
    from waymark.models.build import Classifier

GRID = 7  # cells a side; VGG's classifier sees 7 x 7 of them at any input size
LEAK = 0.01
_TINY = 1e-6


def activation(name: Activation) -> nn.Module:
    """Return a new activation layer; the leaky one lets 1 % through."""
    if name == "leaky-relu":
        return nn.LeakyReLU(LEAK)
    return nn.ELU() if name == "elu" else nn.ReLU()


class Mean(nn.Module):
    """The mean of each feature over the map: (N, F, h, w) -> (N, F)."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """Return the means."""
        return feature_map.mean((2, 3))


class GeM(nn.Module):
    """The generalised mean with a learnt exponent: 1 is the mean, infinity the maximum.

    Source: Radenovic et al. 2018, section 3.2, https://arxiv.org/abs/1711.02512
    """

    def __init__(self, exponent: float = 3.0) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor([exponent]))

    def forward(self, feature_map: Tensor) -> Tensor:
        """Return (N, F); values below a millionth count as that."""
        powers = feature_map.clamp_min(_TINY).pow(self.exponent)
        return powers.mean((2, 3)).pow(1.0 / self.exponent)


class Grid(nn.Module):
    """Averages over 7 x 7 cells in a row: (N, F, h, w) -> (N, 49 F).

    Equal to AdaptiveAvgPool2d, which ONNX has only for maps of a multiple of 7: rows and
    then columns are averaged by a matrix product each.
    """

    def forward(self, feature_map: Tensor) -> Tensor:
        """Return the averages, feature by feature, each row by row."""
        rows, columns = (
            feature_map.new_tensor(_cells(int(side))) for side in feature_map.shape[2:]
        )
        return (rows @ feature_map @ columns.T).flatten(1)


class Flatten(nn.Module):
    """All values in a row: (N, F, h, w) -> (N, F h w), for maps of one shape only."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Return the values.

        Raises:
            ShapeError: if the map has another shape than the network was built for.
        """
        if (got := tuple(map(int, feature_map.shape[1:]))) != self.shape:
            raise ShapeError(
                f"the feature map is {got}, and this network's dense layers were built for "
                f"{self.shape}. Give it photos of its own size, or use pool = grid or mean."
            )
        return feature_map.flatten(1)


class Neck(nn.Module):
    """Pooling, then hidden layers: a feature map (N, F, h, w) -> a vector (N, `width`).

    The last hidden layer is without dropout: whoever uses the vector drops from it.
    """

    def __init__(self, design: Design, shape: Sequence[int]) -> None:
        """Build for feature maps of `shape`, (F, h, w)."""
        super().__init__()
        self.pool, self.width = _pool(design.pool, shape)
        layers: list[nn.Module] = []
        for number, width in enumerate(design.hidden):
            if number and design.dropout:
                layers.append(nn.Dropout(design.dropout))
            layers.append(nn.Linear(self.width, width, bias=not design.hidden_norm))
            if design.hidden_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(activation(design.activation))
            self.width = width
        self.hidden = nn.Sequential(*layers)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Return the vector."""
        vector: Tensor = self.hidden(self.pool(feature_map))
        return vector


class SubCentreCosine(nn.Module):
    """A head of cosines to several centres a class; the nearest one counts.

    Wrong or strange photos of a class gather at a centre of their own, and stop pulling
    at the one that is kept. The angular margin belongs to the loss (`arcface_margin`).

    Source: Deng et al. 2020, sub-centre ArcFace, section 3.3, ECCV 2020,
    https://www.ecva.net/papers/eccv_2020/papers_ECCV/papers/123560715.pdf
    """

    def __init__(self, width: int, classes: int, *, centres: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(classes, centres, width))
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return logits (N, C): `scale` times the cosines."""
        return self.scale * self.cosines(embedding)

    def cosines(self, embedding: Tensor) -> Tensor:
        """Return (N, C) float32, each the largest cosine to a centre of the class, -1 to 1."""
        return self._all_cosines(embedding).amax(2)

    def nearest_centres(self, embedding: Tensor) -> Tensor:
        """Return (N, C) int64: which centre of each class is nearest."""
        return self._all_cosines(embedding).argmax(2)

    def _all_cosines(self, embedding: Tensor) -> Tensor:
        # half precision would leave cosines near 1 with two digits
        with torch.autocast(embedding.device.type, enabled=False):
            centres = functional.normalize(self.weight.float(), dim=2)
            flat = functional.normalize(embedding.float(), dim=1) @ centres.flatten(0, 1).T
            return flat.reshape(-1, *centres.shape[:2])


class Cosine(nn.Module):
    """A linear head that sees the direction of the embedding only, at length 1.

    With rows of one length and no bias, logits are that length times cosines.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """Take weight (C, D) and bias (C,)."""
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())

    def forward(self, embedding: Tensor) -> Tensor:
        """Return logits (N, C)."""
        return functional.linear(functional.normalize(embedding, dim=1), self.weight, self.bias)


def collapse(model: Classifier, kept: Tensor) -> None:
    """Replace the landmark's head by one of a single centre a class, in place.

    Args:
        model: its landmark head is a `SubCentreCosine`; any other is left as it is.
        kept: (C,), index of the centre that stays, for each class.

    Raises:
        ShapeError: if `kept` is not one index a class.
    """
    head = model.heads["landmark"]
    if not isinstance(head, SubCentreCosine):
        return
    classes, centres, _ = head.weight.shape
    kept = kept.to(head.weight.device).long()
    if kept.shape != (classes,) or not ((kept >= 0) & (kept < centres)).all():
        raise ShapeError(
            f"kept has shape {tuple(kept.shape)}; expected ({classes},), an index below "
            f"{centres} for each class."
        )
    rows = head.weight.detach()[torch.arange(classes, device=kept.device), kept]
    weight = head.scale * functional.normalize(rows.float(), dim=1)
    model.heads["landmark"] = Cosine(weight, weight.new_zeros(classes))


def arcface_margin(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Make the true class harder: add an angle to the one between embedding and class.

    Beyond the angle pi - margin, where cos(angle + margin) would rise again, the cosine
    is lowered by a constant instead, so that the loss always falls with the angle.

    Args:
        cosines: (N, C), -1 to 1.
        labels: (N,) int64, true classes; rows with -1 are left as they are.
        margin: in radians, 0 to pi / 2.

    Returns:
        (N, C), to be multiplied by the scale and given to cross-entropy.

    Source: Deng et al. 2019, ArcFace, section 2.1, https://arxiv.org/abs/1801.07698
    """
    column = labels.clamp_min(0).unsqueeze(1)
    true = cosines.gather(1, column)
    sine = (1.0 - true.square()).clamp_min(_TINY).sqrt()  # its slope is finite at the poles
    turned = true * math.cos(margin) - sine * math.sin(margin)
    lowered = true - margin * math.sin(margin)
    harder = torch.where(true > -math.cos(margin), turned, lowered)
    change = torch.where(labels.unsqueeze(1) >= 0, harder - true, torch.zeros_like(true))
    return cosines.scatter_add(1, column, change)


def _pool(name: Pool, shape: Sequence[int]) -> tuple[nn.Module, int]:
    """Return a pooling of maps of `shape` (F, h, w), and how many values it gives."""
    if name == "flatten":
        return Flatten(shape), math.prod(shape)
    if name == "grid":
        return Grid(), shape[0] * GRID**2
    return GeM() if name == "gem" else Mean(), shape[0]


def _cells(side: int) -> list[list[float]]:
    """Return the (7, side) matrix that averages the pixels of each of 7 cells."""
    matrix = []
    for cell in range(GRID):
        first, last = cell * side // GRID, -(-(cell + 1) * side // GRID)
        inside = range(first, last)
        matrix.append([1.0 / len(inside) if pixel in inside else 0.0 for pixel in range(side)])
    return matrix
