"""What a network is built of, besides its weights.

A recipe says it for a training; a bundle keeps it, so that the same network can be built
again from its weights. `models/build.py` does the building.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from waymark.errors import ConfigError

Pool = Literal["mean", "gem", "grid", "flatten"]
Activation = Literal["relu", "leaky-relu", "elu"]
Init = Literal["default", "normal"]
Link = Literal["none", "category", "landmark"]

# what a file may ask for; a recipe's own fields have narrower limits
_LIMITS: dict[str, tuple[float, float]] = {
    "size": (32, 1024),
    "dropout": (0, 1),
    "drop_path": (0, 1),
    "centres": (0, 64),
    "scale": (0, 1000),
    "depth": (3, 64),
    "filters": (1, 4096),
    "kernel": (1, 15),
    "max_pool": (1, 8),
    "conv_dropout": (0, 1),
}
_LAYERS = 16  # hidden ones, at most


@dataclass(frozen=True, kw_only=True)
class Design:
    """A backbone, a neck that makes its feature map one vector, and a head a task.

    Attributes:
        backbone: a name of `waymark backbones`.
        size: input side in pixels; networks that flatten their feature map are bound to it.
        pool: how the feature map (F, h, w) becomes one vector: its mean (F values), its
            generalised mean with a learnt exponent (`gem`, F), 7 x 7 averages of it in a
            row (`grid`, 49 F), or all of it in a row (`flatten`, h w F).
        hidden: widths of the dense layers after pooling, each with the activation and
            dropout; the last one's output (or the pooled vector) is the embedding.
        hidden_norm: whether each hidden layer has batch norm before its activation.
        dropout: after each hidden layer, and before the head, 0 to 1.
        drop_path: stochastic depth in the backbone, where it has any.
        centres: 0 is a linear head; from 1 on the landmark's is a head of cosines with this
            many centres a class (sub-centre ArcFace).
        scale: what cosines are multiplied by to be logits.
        link: whose probabilities are appended to what the other task's head sees.
        depth: `sequential` only: number of layers with weights.
        filters: of the first convolution, `sequential` only.
        kernel: side of the convolutions, `sequential` only.
        first_activation: after the first convolution, `sequential` and `vgg_like` only.
        activation: after the others of these two, and in every neck.
        max_pool: side and stride of max-pooling, `sequential` only.
        conv_dropout: after each pooling, `sequential` and `vgg_like` only.
        init: how weights start that are not loaded, backbones of timm aside: `default` is
            torch's way (He et al.'s for convolutions without batch norm), `normal` is
            N(0, 1/sqrt(inputs)).
    """

    backbone: str = "tf_efficientnetv2_b0"
    size: int = 128
    pool: Pool = "mean"
    hidden: tuple[int, ...] = ()
    hidden_norm: bool = False
    dropout: float = 0.0
    drop_path: float = 0.0
    centres: int = 0
    scale: float = 30.0
    link: Link = "none"
    depth: int = 7
    filters: int = 32
    kernel: int = 3
    first_activation: Activation = "relu"
    activation: Activation = "relu"
    max_pool: int = 2
    conv_dropout: float = 0.25
    init: Init = "default"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for `bundle.json`."""
        return asdict(self) | {"hidden": list(self.hidden)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Design:
        """Read what `to_dict` wrote, from a file that nobody vouches for.

        Raises:
            ConfigError: if a field is unknown or its value is of another kind.
        """
        known = {entry.name: entry.default for entry in fields(cls)}
        hints = get_type_hints(cls)
        read = dict(values)
        if isinstance(read.get("hidden"), list):
            read["hidden"] = tuple(read["hidden"])
        for name, value in read.items():
            if name not in known:
                raise ConfigError(f"a network's design has no field {name!a}.")
            choices = get_args(hints[name])
            wrong = type(value) is not type(known[name])
            if wrong or (isinstance(value, str) and choices and value not in choices):
                raise ConfigError(f"the design's {name} is {value!a}, which cannot be.")
            low, high = _LIMITS.get(name, (None, None))
            if low is not None and high is not None and not low <= value <= high:
                raise ConfigError(
                    f"the design's {name} is {value}; it must be between {low} and {high}."
                )
        hidden = read.get("hidden", ())
        widths_fit = all(type(width) is int and 1 <= width <= 65_536 for width in hidden)
        if len(hidden) > _LAYERS or not widths_fit:
            raise ConfigError(
                f"the design's hidden layers must be at most {_LAYERS}, of widths between 1 and "
                "65,536."
            )
        return cls(**read)
