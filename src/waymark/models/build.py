"""Put a backbone, a neck and a head a task together, as a `Design` says.

In:  (N, 3, H, W) float, normalised; H and W multiples of 32.
Out: `Outputs`: logits a task, the embedding and the feature map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import timm
import torch
from torch import Tensor, nn

from waymark.errors import ConfigError
from waymark.models.backbones import Backbone, find_backbone
from waymark.models.design import Design
from waymark.models.heads import Cosine, Neck, SubCentreCosine
from waymark.models.scratch import NETWORKS, Stack, start_normal


class Outputs(NamedTuple):
    """What a classifier says of a batch.

    Attributes:
        logits: (N, classes) for each task.
        embedding: (N, D), what the landmark's head sees.
        feature_map: (N, F, height, width), what the backbone gives.
    """

    logits: dict[str, Tensor]
    embedding: Tensor
    feature_map: Tensor


class Classifier(nn.Module):
    """A backbone (photos -> feature map), a neck (-> one vector) and a head a task.

    Attributes:
        design: what it is built of.
        spec: facts of the backbone.
        num_features: D, the width of the embedding.
        untrained: names of backbone weights that the file it was built from lacked.
    """

    def __init__(self, design: Design, tasks: Mapping[str, int]) -> None:
        super().__init__()
        _check_tasks(design, tasks)
        self.design = design
        self.spec = find_backbone(design.backbone)
        self.backbone = _backbone(self.spec, design)
        self.neck = Neck(design, _map_shape(self.spec, design, self.backbone))
        self.dropout = nn.Dropout(design.dropout)
        category = self.neck.width
        self.num_features = self.neck.width
        if design.link == "category":
            self.num_features += tasks["category"]
        elif design.link == "landmark":
            category += tasks["landmark"]
        heads: dict[str, nn.Module] = {}
        for task, classes in tasks.items():
            if task == "landmark" and design.centres:
                heads[task] = SubCentreCosine(
                    self.num_features, classes, centres=design.centres, scale=design.scale
                )
            else:
                heads[task] = _head(self.num_features if task == "landmark" else category, classes)
        self.heads = nn.ModuleDict(heads)
        self.untrained: tuple[str, ...] = ()
        if design.init == "normal":
            parts = [self.neck, self.heads]
            for part in parts if self.spec.library == "timm" else [self.backbone, *parts]:
                start_normal(part)

    def forward(self, photos: Tensor) -> Outputs:
        """Return logits, embedding and feature map of (N, 3, H, W) normalised photos."""
        return self.from_features(self.features(photos))

    def features(self, photos: Tensor) -> Tensor:
        """Return the feature map (N, F, h, w) of (N, 3, H, W) normalised photos."""
        feature_map: Tensor = self.backbone.forward_features(photos)  # type: ignore[operator]
        return feature_map

    def from_features(self, feature_map: Tensor) -> Outputs:
        """Return all outputs for a feature map (N, F, h, w)."""
        embedding = self.neck(feature_map)
        dropped = self.dropout(embedding)
        logits: dict[str, Tensor] = {}
        if self.design.link == "category":
            logits["category"] = self.heads["category"](dropped)
            seen = logits["category"].softmax(1).to(embedding.dtype)
            embedding = torch.cat((embedding, seen), 1)
            logits["landmark"] = self.heads["landmark"](torch.cat((dropped, seen), 1))
        elif self.design.link == "landmark":
            logits["landmark"] = self.heads["landmark"](dropped)
            seen = logits["landmark"].softmax(1).to(embedding.dtype)
            logits["category"] = self.heads["category"](torch.cat((dropped, seen), 1))
        else:
            logits = {task: head(dropped) for task, head in self.heads.items()}
        return Outputs({task: logits[task] for task in self.heads}, embedding, feature_map)


def build(
    design: Design,
    tasks: Mapping[str, int],
    *,
    weights: Mapping[str, Tensor] | None = None,
    pretrained: bool = False,
    partial: bool = False,
    seed: int | None = None,
) -> Classifier:
    """Build a classifier.

    Args:
        design: what it is built of.
        tasks: number of classes a task: `landmark`, and perhaps `category`.
        weights: backbone weights by name; must fit but for a classifier of their own.
        pretrained: download timm's weights where `weights` is None.
        partial: whether weights may be missing; those then start at random.
        seed: of the weights that start at random; None leaves torch's generator alone.

    Raises:
        UnknownName: if there is no such backbone.
        ConfigError: if the design and the tasks do not go together, or the weights do not
            fit the backbone, or cannot be downloaded.
    """
    spec = find_backbone(design.backbone)
    if seed is not None:
        torch.manual_seed(seed)
    model = Classifier(design, tasks)
    if weights is None and pretrained:
        weights = _download(spec)
    if weights is not None:
        _load(model, weights, partial=partial)
    return model


def from_weights(
    design: Design,
    tasks: Mapping[str, int],
    tensors: Mapping[str, Tensor],
    *,
    heads: Mapping[str, tuple[Tensor, Tensor]],
    normalise: bool,
) -> Classifier:
    """Build the classifier that a bundle's weights belong to, in evaluation mode.

    Memory is taken for the tensors given only, whatever the design asks for.

    Args:
        design: of the bundle.
        tasks: number of classes a task.
        tensors: of `backbone.safetensors`: the backbone's under their own names, `neck.*`
            and `heads.*`; float32 (see `as_float32`).
        heads: weight (C, D) and bias (C,) of the tasks whose head is not in `tensors`.
        normalise: whether the landmark's head sees the embedding at length 1.

    Raises:
        UnknownName: if there is no such backbone.
        ConfigError: if the design and the tasks do not go together, or a tensor is missing
            or has another shape.
    """
    with torch.device("meta"):
        model = Classifier(design, tasks)
        if normalise:
            empty = torch.empty(tasks["landmark"], model.num_features)
            model.heads["landmark"] = Cosine(empty, empty[:, 0])
        elif design.centres:
            model.heads["landmark"] = _head(model.num_features, tasks["landmark"])
    state = {
        name if name.startswith(("neck.", "heads.")) else f"backbone.{name}": value
        for name, value in tensors.items()
    }
    for task, (weight, bias) in heads.items():
        state |= {f"heads.{task}.weight": weight, f"heads.{task}.bias": bias}
    known = model.state_dict()
    state |= {
        name: torch.zeros((), dtype=torch.int64)
        for name in known
        if name.endswith("num_batches_tracked") and name not in state
    }
    usable = {name: value for name, value in state.items() if name in known}
    if problem := _misfit(known, usable, partial=False):
        raise ConfigError(
            f"the bundle's weights do not fit its own design ({design.backbone}): {problem}. "
            "The file is damaged or not of waymark; get it again."
        )
    model.load_state_dict(usable, assign=True)
    return model.requires_grad_(False).eval()


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
    own = [f"blocks.{i}" for i, _ in enumerate(getattr(model.backbone, "blocks", ()))]
    for names in own if model.spec.library == "waymark" else model.spec.blocks:
        yield [model.backbone.get_submodule(name) for name in names.split(",")]


def freeze(
    model: Classifier,
    *,
    trains: Literal["head", "all", "output"],
    tasks: Sequence[str] | None = None,
) -> None:
    """Let some parts learn, and keep the others as they are.

    Args:
        model: changed in place.
        trains: `all` is backbone, neck and heads; `head` is neck and heads; `output` is
            the heads only.
        tasks: whose heads learn; None is every task's.
    """
    model.backbone.requires_grad_(trains == "all")
    model.neck.requires_grad_(trains in ("all", "head"))
    for task, head in model.heads.items():
        head.requires_grad_(tasks is None or task in tasks)


def set_training(model: Classifier, *, training: bool) -> None:
    """Switch to training or evaluation; a frozen backbone or neck stays in evaluation mode."""
    model.train(training)
    for part in (model.backbone, model.neck):
        if not any(parameter.requires_grad for parameter in part.parameters()):
            part.eval()


def count_parameters(model: nn.Module) -> int:
    """Return the number of weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def to_device(photos: Tensor, mean: Tensor, std: Tensor, *, channels_last: bool) -> Tensor:
    """Normalise (N, 3, H, W) uint8 photos to float32 as `preprocess.to_array` does."""
    out = (photos.float() / 255 - mean) / std
    return out.contiguous(memory_format=torch.channels_last) if channels_last else out


def _check_tasks(design: Design, tasks: Mapping[str, int]) -> None:
    if "landmark" not in tasks or not set(tasks) <= {"landmark", "category"}:
        raise ConfigError(
            f"the network's tasks are {', '.join(tasks) or 'none'}; "
            "it needs landmark, and may have category beside it."
        )
    if design.link != "none" and "category" not in tasks:
        raise ConfigError(
            "one task is to see the other's prediction, and there are no categories to learn. "
            "Give a dataset with --levels category,landmark, or set task=landmark."
        )


def _backbone(spec: Backbone, design: Design) -> nn.Module:
    if spec.library == "waymark":
        return NETWORKS[spec.name](design)
    options: dict[str, Any] = {}
    if design.drop_path and not spec.name.startswith("vgg"):
        options["drop_path_rate"] = design.drop_path
    name = "resnet50" if spec.name == "resnet50_v1" else spec.name
    network: nn.Module = timm.create_model(
        name, pretrained=False, num_classes=0, global_pool="", **options
    )
    if spec.name == "resnet50_v1":
        for layer in ("layer2", "layer3", "layer4"):
            for conv, stride in (("conv1", (2, 2)), ("conv2", (1, 1))):
                network.get_submodule(f"{layer}.0.{conv}").stride = stride  # type: ignore[assignment]
    elif spec.name.startswith("vgg"):
        network.pre_logits = nn.Identity()  # its dense layers, which are the neck's here
    return network


def _map_shape(spec: Backbone, design: Design, backbone: nn.Module) -> tuple[int, ...]:
    """Return (F, h, w) of the feature map at the design's size; h and w where they matter."""
    if design.pool != "flatten":
        return (backbone.num_features if isinstance(backbone, Stack) else spec.num_features,)
    with torch.device("meta"):
        copy = _backbone(spec, design).eval()
        photos = torch.empty(1, 3, design.size, design.size)
        return tuple(copy.forward_features(photos).shape[1:])  # type: ignore[operator]


def _head(width: int, classes: int) -> nn.Linear:
    head = nn.Linear(width, classes)
    nn.init.zeros_(head.bias)
    nn.init.normal_(head.weight, std=0.01)
    return head


def _load(model: Classifier, weights: Mapping[str, Tensor], *, partial: bool) -> None:
    known = model.backbone.state_dict()
    usable = {name: value for name, value in weights.items() if name in known}
    if problem := _misfit(known, usable, partial=partial):
        raise ConfigError(
            f"the weights do not fit {model.spec.name}: {problem}. Give --weights a file made "
            "for this backbone; if it lacks a part that may start at random, "
            "add --set partial=true."
        )
    model.backbone.load_state_dict(usable, strict=False)
    model.untrained = tuple(name for name in known if name not in usable)


def _misfit(
    known: Mapping[str, Tensor], usable: Mapping[str, Tensor], *, partial: bool
) -> str | None:
    """Say what is missing or of another shape; None if all is well."""
    wrong = [name for name, value in usable.items() if value.shape != known[name].shape]
    missing = [
        name for name in known if name not in usable and not name.endswith("num_batches_tracked")
    ]
    if not wrong and (not missing or (partial and usable)):
        return None
    return (
        f"{len(missing)} tensors are missing (first: {missing[:1]}) "
        f"and {len(wrong)} have another shape (first: {wrong[:1]})"
    )


def _download(spec: Backbone) -> dict[str, Tensor]:
    if not spec.hub:
        raise ConfigError(
            f"there are no pretrained weights of {spec.name} to download. Give a file with "
            "--weights, or start from random weights with --set start=random."
        )
    try:
        source = timm.create_model(spec.hub, pretrained=True, num_classes=0)
    except Exception as error:  # the hub client raises errors of many libraries
        raise ConfigError(
            f"cannot download the pretrained weights of {spec.name} ({error}). Give a file "
            "with --weights, or start from the bundled network with --set start=world."
        ) from error
    weights: dict[str, Tensor] = source.state_dict()
    return weights
