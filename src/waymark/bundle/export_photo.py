"""From a photo as a tensor to probabilities: what surrounds the network in an exported file.

In:  (N, 3, H, W) float, RGB, 0 to 1, upright, of any size.
Out: calibrated probabilities (N, C), with the preparation of `preprocess` inside.

Pillow resizes in two passes of a filter, along the rows and down the columns, rounding to 8
bits after each. Here a pass is one matrix product, and the matrix is made from the photo's
size by elementwise operations alone: that can be scripted, can be exported with free height
and width, and serves every filter that Pillow has, which torch's own resize does not. Which
pass Pillow does first differs by shape and version: single pixels are up to 3 levels of 256
apart, and less than a third of a level on average.
"""

# no `from __future__ import annotations`: torch.jit reads the annotations themselves
import math

import torch
from torch import Tensor, nn

from waymark.preprocess import Preprocess

GAP = 3.0  # `fit_square` averages whole blocks first, down to so many times the size
GREY = (124.0, 116.0, 104.0)  # what `fit_square` pads with


class Prepare(nn.Module):
    """`preprocess.prepare` for photos of one size, but for the rounding of single pixels.

    Source: what `Resample.c`, `Reduce.c` and `ImageOps` of Pillow 11 compute.
    """

    mean: Tensor
    std: Tensor
    grey: Tensor
    places: Tensor

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.size: float = float(preprocess.size)
        self.gap: float = GAP
        self.fit: str = preprocess.fit
        self.filter: str = preprocess.filter
        for name, values in (("mean", preprocess.mean), ("std", preprocess.std), ("grey", GREY)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1))
        self.register_buffer("places", torch.arange(preprocess.size).float().view(-1, 1))

    def forward(self, raw: Tensor) -> Tensor:
        """Return (N, 3, size, size), normalised, of raw photos (N, 3, H, W), 0 to 1.

        Whole numbers are taken for levels from 0 to 255.
        """
        levels = raw.to(self.mean.dtype)
        if raw.is_floating_point():
            levels = (levels * 255.0).clamp(0.0, 255.0)
        down = torch.ones_like(levels[0, 0, :, 0])
        across = torch.ones_like(levels[0, 0, 0])
        height, width = down.sum(), across.sum()  # tensors, so that one graph serves every size
        x = self._matrix(across, width, height)
        y = self._matrix(down, height, width)
        square = torch.matmul(levels, x.t()).round().clamp(0.0, 255.0)
        square = torch.matmul(y, square).round().clamp(0.0, 255.0)
        if self.fit == "pad":
            bare = (x.sum(1).view(1, -1) < 0.5) | (y.sum(1).view(-1, 1) < 0.5)
            square = torch.where(bare, self.grey, square)
        return (square / 255.0 - self.mean) / self.std

    def _matrix(self, pixels: Tensor, length: Tensor, other: Tensor) -> Tensor:
        """Return (size, length): how much each pixel of a row or column weighs in the square's.

        `pixels` are as many ones as the photo has pixels that way, `other` is the number
        that it has the other way.
        """
        number = pixels.cumsum(0) - 1
        block, start, stop = torch.ones_like(length), torch.zeros_like(length), length
        filled, first = torch.full_like(length, self.size), torch.zeros_like(length)
        if self.fit == "squash":
            block = torch.floor(length / self.size / self.gap).clamp(min=1.0)
        elif self.fit == "crop":
            stop = torch.minimum(length, other)
            start = (length - stop) / 2
            stop = start + stop
        else:
            longer = torch.maximum(length, other)
            filled = torch.round(length / longer * self.size).clamp(min=1.0)
            first = torch.round((self.size - filled) / 2)
        group = torch.floor(number / block)
        members = torch.minimum(block, length - group * block)
        scale = (stop - start) / block / filled
        place = self.places - first
        centre = start / block + (place + 0.5) * scale
        weight = self._kernel((group + 0.5 - centre) / scale.clamp(min=1.0)) / members
        weight = weight / weight.sum(1, keepdim=True)
        return torch.where((place >= 0) & (place < filled), weight, torch.zeros_like(weight))

    def _kernel(self, x: Tensor) -> Tensor:
        """Return the filter's height at a distance, in pixels of the coarser grid."""
        far = x.abs()
        if self.filter == "box":
            return ((x > -0.5) & (x <= 0.5)).to(x.dtype)
        if self.filter == "bilinear":
            return (1 - far).clamp(min=0.0)
        if self.filter == "hamming":
            return torch.sinc(x) * (0.54 + 0.46 * torch.cos(math.pi * x)) * (far < 1)
        if self.filter == "lanczos":
            return torch.sinc(x) * torch.sinc(x / 3) * (far < 3)
        near = (1.5 * far - 2.5) * far * far + 1
        tail = -0.5 * (((far - 5) * far + 8) * far - 4)
        return torch.where(far < 1, near, tail * (far < 2))


class FromPhoto(nn.Module):
    """A network with a photo's preparation before it and calibrated probabilities after.

    Attributes:
        class_names: name of each landmark, in the order of the probabilities.
        class_ids: id of each landmark, likewise.
        category_names: name of each category; empty where there is no such task.
        temperature: what the landmark's logits are divided by before the softmax.
    """

    class_names: list[str]
    class_ids: list[str]
    category_names: list[str]

    def __init__(
        self,
        prepare: Prepare,
        network: nn.Module,
        *,
        temperature: float,
        class_names: list[str],
        class_ids: list[str],
        category_names: list[str],
    ) -> None:
        """Take a network that gives landmark logits, category logits and the embedding."""
        super().__init__()
        self.prepare = prepare
        self.network = network
        self.temperature = temperature
        self.class_names = class_names
        self.class_ids = class_ids
        self.category_names = category_names

    def forward(self, raw: Tensor) -> Tensor:
        """Return probabilities (N, C) of photos (N, 3, H, W); a single one may be (3, H, W)."""
        return self.predict(raw)["probabilities"]

    @torch.jit.export
    def predict(self, raw: Tensor) -> dict[str, Tensor]:
        """Return `probabilities` and `logits` (N, C), `embedding` (N, D), and of categories too.

        The latter are `category_probabilities` and `category_logits` (N, K).
        """
        if raw.dim() == 3:
            raw = raw.unsqueeze(0)
        if raw.dim() != 4 or raw.shape[1] != 3:
            raise ValueError("expected photos of shape (N, 3, H, W), RGB, 0 to 1")
        logits, category, embedding = self.network(self.prepare(raw))
        out: dict[str, Tensor] = {
            "probabilities": (logits / self.temperature).softmax(1),
            "logits": logits,
            "embedding": embedding,
        }
        if len(self.category_names) > 0:
            out["category_probabilities"] = category.softmax(1)
            out["category_logits"] = category
        return out
