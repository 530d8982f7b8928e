"""Put a backbone, pooling and one linear head a task together.

In:  (N, 3, H, W) float, normalised; H and W multiples of 32.
Out: `Outputs`: logits a task, the pooled embedding and the feature map before pooling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

from waymark.errors import ConfigError
from waymark.models.backbones import Backbone, find_backbone


class Outputs(NamedTuple):
    """What a classifier says of a batch.

    Attributes:
        logits: (N, classes) for each task.
        embedding: (N, D), the feature map averaged over its height and width.
        feature_map: (N, D, height, width).
    """

    logits: dict[str, Tensor]
    embedding: Tensor
    feature_map: Tensor


class Classifier(nn.Module):
    """A backbone with one linear head a task on its averaged features."""

    def __init__(
        self, spec: Backbone, tasks: Mapping[str, int], *, dropout: float, drop_path: float
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
        self.spec = spec
        self.backbone = timm.create_model(
            spec.name, pretrained=False, num_classes=0, global_pool="", **options
        )
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict(
            {task: _head(spec.num_features, classes) for task, classes in tasks.items()}
        )

    def forward(self, photos: Tensor) -> Outputs:
        """Return logits, embedding and feature map of (N, 3, H, W) normalised photos."""
        feature_map: Tensor = self.backbone.forward_features(photos)  # type: ignore[operator]
        embedding = feature_map.mean((2, 3))
        dropped = self.dropout(embedding)
        logits = {task: head(dropped) for task, head in self.heads.items()}
        return Outputs(logits, embedding, feature_map)


def _head(width: int, classes: int) -> nn.Linear:
    head = nn.Linear(width, classes)
    nn.init.zeros_(head.bias)
    nn.init.normal_(head.weight, std=0.01)
    return head


def build(
    backbone: str,
    tasks: Mapping[str, int],
    *,
    dropout: float = 0.0,
    drop_path: float = 0.0,
    weights: Mapping[str, Tensor] | None = None,
    pretrained: bool = False,
    seed: int | None = None,
) -> Classifier:
    """Build a classifier.

    Args:
        backbone: a name of `waymark backbones`.
        tasks: number of classes a task; the first is the landmark's.
        dropout: before the heads, 0 to 1.
        drop_path: stochastic depth, 0 to 1, where the backbone has any.
        weights: backbone weights by name; must fit but for a classifier of their own.
        pretrained: download timm's weights where `weights` is None.
        seed: of the weights that start at random; None leaves torch's generator alone.

    Raises:
        UnknownName: if there is no such backbone.
        ConfigError: if the weights do not fit the backbone, or cannot be downloaded.
    """
    spec = find_backbone(backbone)
    if seed is not None:
        torch.manual_seed(seed)
    model = Classifier(spec, tasks, dropout=dropout, drop_path=drop_path)
    if weights is None and pretrained:
        weights = _download(spec)
    if weights is not None:
        _load(model, weights)
    return model


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read backbone weights from a safetensors file as float32.

    An int8 tensor is multiplied by the `NAME.scale` beside it, one value a row.

    Raises:
        ConfigError: if the file is not safetensors, or a scale does not fit its tensor.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        raw = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"cannot read the weights {path}: {error}. --weights takes a .safetensors file."
        ) from error
    return as_float32(raw)


def as_float32(raw: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as float32, int8 ones multiplied by their `NAME.scale`.

    Raises:
        ConfigError: if a scale does not fit its tensor.
    """
    out: dict[str, Tensor] = {}
    for name, value in raw.items():
        if name.endswith(".scale"):
            continue
        scale = raw.get(f"{name}.scale")
        if scale is not None:
            if value.ndim == 0 or scale.numel() not in (1, len(value)):
                raise ConfigError(
                    f"{name}.scale has {scale.numel()} values for a tensor of shape "
                    f"{tuple(value.shape)}; expected one a row. Give --weights another file."
                )
            out[name] = value.float() * scale.view((-1,) + (1,) * (value.ndim - 1))
        else:
            out[name] = value.float() if value.is_floating_point() else value
    return out


def blocks(model: Classifier) -> Iterator[list[nn.Module]]:
    """Yield the backbone's parts in order from input to output."""
    for names in model.spec.blocks:
        yield [model.backbone.get_submodule(name) for name in names.split(",")]


def freeze(model: Classifier, *, frozen: bool) -> None:
    """Freeze the backbone (weights and batch-norm statistics) or let it learn again."""
    model.backbone.requires_grad_(not frozen)


def set_training(model: Classifier, *, training: bool) -> None:
    """Switch to training or evaluation; a frozen backbone stays in evaluation mode."""
    model.train(training)
    if training and not any(p.requires_grad for p in model.backbone.parameters()):
        model.backbone.eval()


def _load(model: Classifier, weights: Mapping[str, Tensor]) -> None:
    known = model.backbone.state_dict()
    usable = {name: value for name, value in weights.items() if name in known}
    wrong = [name for name, value in usable.items() if value.shape != known[name].shape]
    missing = [
        name for name in known if name not in usable and not name.endswith("num_batches_tracked")
    ]
    if wrong or missing:
        raise ConfigError(
            f"the weights do not fit {model.spec.name}: {len(missing)} tensors are missing "
            f"(first: {missing[:1]}) and {len(wrong)} have another shape (first: {wrong[:1]}). "
            "Give --weights a file made for this backbone."
        )
    model.backbone.load_state_dict(usable, strict=False)


def _download(spec: Backbone) -> dict[str, Tensor]:
    try:
        source = timm.create_model(spec.name, pretrained=True, num_classes=0)
    except Exception as error:  # the hub client raises errors of many libraries
        raise ConfigError(
            f"cannot download the pretrained weights of {spec.name} ({error}). Give a file "
            "with --weights, or start from the bundled network with --set start=world."
        ) from error
    weights: dict[str, Tensor] = source.state_dict()
    return weights


def count_parameters(model: nn.Module) -> int:
    """Return the number of weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def to_device(photos: Tensor, mean: Tensor, std: Tensor, *, channels_last: bool) -> Tensor:
    """Normalise (N, 3, H, W) uint8 photos to float32 as `preprocess.to_array` does."""
    out = (photos.float() / 255 - mean) / std
    return out.contiguous(memory_format=torch.channels_last) if channels_last else out
