"""How to train: one frozen record, its check, and its TOML form.

A recipe is a sequence of stages over one network. `training/recipes.py` lists the
ones with a name; a user's own is a TOML file of the same fields.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from waymark.errors import ConfigError

Optimiser = Literal["adamw", "adam", "sgd", "rmsprop"]
Schedule = Literal["cosine", "linear", "constant"]
Trains = Literal["head", "all"]
Start = Literal["pretrained", "random", "world"]
Augment = Literal["none", "flip", "light", "strong"]
ClassWeights = Literal["none", "inverse", "balanced"]
Precision = Literal["auto", "float32", "bfloat16"]
Kind = Literal["deep", "linear"]

Record = TypeVar("Record", bound=Any)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One part of a training: what learns, for how long, and how fast.

    Attributes:
        epochs: passes over the training photos.
        trains: `head` keeps the backbone frozen (its batch norm too); `all` trains everything.
        optimiser: AdamW, Adam, SGD (Nesterov) or RMSprop.
        lr: peak learning rate of the head.
        backbone_lr: the last backbone block's learning rate as a fraction of `lr`.
        layer_decay: each earlier block learns this much slower than the one after it.
        weight_decay: decoupled for AdamW, L2 otherwise; not on biases and norms.
        momentum: of SGD and RMSprop.
        schedule: how the rate falls after the warm-up, to `final_lr` times its peak.
        final_lr: fraction of the peak at the end.
        warmup: epochs (a fraction is fine) over which the rate rises from zero.
        size: input side in pixels; 0 means the recipe's.
    """

    epochs: int = 1
    trains: Trains = "all"
    optimiser: Optimiser = "adamw"
    lr: float = 1e-3
    backbone_lr: float = 1.0
    layer_decay: float = 1.0
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: Schedule = "constant"
    final_lr: float = 0.0
    warmup: float = 0.0
    size: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values, naming the field and what it may be."""
        check_types(self, "stage")
        _between(self, "epochs", 1, 100_000)
        _between(self, "lr", 1e-9, 100.0)
        _between(self, "backbone_lr", 0.0, 100.0)
        _between(self, "layer_decay", 0.01, 1.0)
        _between(self, "weight_decay", 0.0, 10.0)
        _between(self, "momentum", 0.0, 0.9999)
        _between(self, "final_lr", 0.0, 1.0)
        _between(self, "warmup", 0.0, float(self.epochs))
        if self.size:
            _input_size(self.size)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides how a training goes.

    Attributes:
        name: what runs and tables call it.
        about: one sentence for `waymark recipes`.
        source: where the recipe comes from.
        kind: `deep` trains a network with torch; `linear` fits a head on a bundle's embedding.
        backbone: a name of `waymark backbones`.
        start: where the weights come from: timm's hub or `--weights` (`pretrained`), the
            bundled world backbone (`world`), or nowhere (`random`).
        size: side of the network's square input in training, in pixels.
        predict_size: side at prediction; 0 means `size`.
        fast_size: side for `--fast`; 0 means `predict_size`.
        fit: how a photo of any aspect becomes a square (see `Preprocess`).
        stages: one after the other, each with its own optimiser.
        batch: photos a step on one process.
        accumulate: steps whose gradients are summed before the weights move.
        dropout: before the head.
        drop_path: stochastic depth in the backbone, where it has any.
        label_smoothing: 0 is plain cross-entropy.
        class_weights: `inverse` is 1/n a class, `balanced` N/(C n), in the loss.
        balance: 0 draws photos evenly, 1 draws classes evenly, between is n^-balance.
        augment: how strongly photos are changed as they stream.
        mixup: alpha of the Beta distribution; 0 is off.
        cutmix: alpha of the Beta distribution; 0 is off.
        clip: largest gradient norm; 0 is off.
        ema: decay of the averaged weights that are validated and kept; 0 is off.
        negatives: weight of the loss that asks for no opinion on negatives (Hendrycks
            et al. 2019, outlier exposure); 0 is off.
        distil: weight of the loss that keeps the features of the start network, so that
            the embedding still serves landmarks it was never trained on; 0 is off.
        distil_size: input side at which the start network's features are computed.
        precision: `auto` is bfloat16 on a GPU that has it and float32 on a CPU.
        channels_last: memory format; faster for convolutions on CPU and GPU.
        compile: torch.compile the training step (needs a C++ compiler).
        patience: epochs that are not better before stopping; 0 is off.
        val: fraction of the training photos kept for validation, where none is given.
        workers: processes that read and augment photos; 0 is in the training process.
        seed: the same seed on the same CPU gives the same metrics.
        views: `linear` only: views of each photo that are embedded (2 adds its centre, 3
            the mirror image).
    """

    name: str = "custom"
    about: str = ""
    source: str = ""
    kind: Kind = "deep"
    backbone: str = "tf_efficientnetv2_b0"
    start: Start = "pretrained"
    size: int = 128
    predict_size: int = 0
    fast_size: int = 0
    fit: Literal["squash", "crop", "pad"] = "squash"
    stages: tuple[Stage, ...] = field(default_factory=lambda: (Stage(),))
    batch: int = 64
    accumulate: int = 1
    dropout: float = 0.0
    drop_path: float = 0.0
    label_smoothing: float = 0.0
    class_weights: ClassWeights = "none"
    balance: float = 0.0
    augment: Augment = "light"
    mixup: float = 0.0
    cutmix: float = 0.0
    clip: float = 0.0
    ema: float = 0.0
    negatives: float = 0.0
    distil: float = 0.0
    distil_size: int = 128
    precision: Precision = "auto"
    channels_last: bool = True
    compile: bool = False
    patience: int = 0
    val: float = 0.1
    workers: int = 1
    seed: int = 0
    views: int = 2

    def __post_init__(self) -> None:
        """Refuse impossible values, naming the field and what it may be."""
        check_types(self, "recipe")
        if not self.name.isprintable() or not self.name or set(self.name) & set("/\\"):
            raise ConfigError(
                f"a recipe's name is {self.name!a}; runs are named after it, so it needs "
                "printable characters, without slashes."
            )
        if not self.stages:
            raise ConfigError("recipe has no stages; add at least one [[stages]] table.")
        for name in ("size", "predict_size", "fast_size", "distil_size"):
            if value := getattr(self, name):
                _input_size(value, name)
        if not self.size:
            raise ConfigError("size is 0 px; it must be a multiple of 32 between 32 and 1024.")
        _between(self, "batch", 1, 65_536)
        _between(self, "accumulate", 1, 4096)
        for name in ("dropout", "drop_path", "label_smoothing"):
            _between(self, name, 0.0, 0.95)
        _between(self, "balance", 0.0, 1.0)
        for name in ("mixup", "cutmix", "clip", "negatives", "distil"):
            _between(self, name, 0.0, 100.0)
        _between(self, "ema", 0.0, 0.99999)
        _between(self, "patience", 0, 100_000)
        _between(self, "val", 0.01, 0.9)
        _between(self, "workers", 0, 256)
        _between(self, "views", 1, 3)

    @property
    def epochs(self) -> int:
        """Epochs of all stages together."""
        return sum(stage.epochs for stage in self.stages)

    def to_toml(self) -> str:
        """Return the recipe as a TOML file that `read_recipe` reads back."""
        lines = [
            f"{name} = {_toml(value)}" for name, value in asdict(self).items() if name != "stages"
        ]
        for stage in self.stages:
            lines += ["", "[[stages]]"]
            lines += [f"{name} = {_toml(value)}" for name, value in asdict(stage).items()]
        return "\n".join(lines) + "\n"

    def with_settings(self, settings: Mapping[str, Any]) -> Recipe:
        """Return the recipe with some fields changed, as `--set key=value` asks.

        `stages.1.lr` is the second stage's learning rate.

        Raises:
            ConfigError: if a field is unknown (with the nearest match) or a value impossible.
        """
        plain: dict[str, Any] = {}
        stages = list(self.stages)
        for key, value in settings.items():
            head, _, rest = key.partition(".")
            number, _, name = rest.partition(".")
            if head == "stages" and rest:
                if not number.isdecimal() or int(number) >= len(stages):
                    raise ConfigError(
                        f"no stage {number!r}; this recipe has stages 0 to {len(stages) - 1}."
                    )
                stages[int(number)] = _replaced(stages[int(number)], {name: value}, "stage")
            elif key == "stages":
                raise ConfigError(
                    "stages cannot be set whole; set a field of one: stages.0.lr=1e-3."
                )
            else:
                plain[key] = value
        return _replaced(self, {**plain, "stages": tuple(stages)}, "recipe")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file; fields that it leaves out keep their defaults.

    Raises:
        ConfigError: if the file cannot be read, a field is unknown or a value impossible.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"cannot read the recipe {path}: {error}. `waymark recipes NAME` prints one to copy."
        ) from error
    raw = values.pop("stages", None)
    if raw is not None:
        if not isinstance(raw, list) or not all(isinstance(stage, dict) for stage in raw):
            raise ConfigError(f"stages in {path} must be [[stages]] tables.")
        values["stages"] = tuple(_replaced(Stage(), stage, "stage") for stage in raw)
    values.setdefault("name", path.stem)
    return _replaced(Recipe(), values, "recipe")


def parse_setting(text: str) -> tuple[str, Any]:
    """Split `key=value` from the command line; the value is read as TOML, else as text.

    Raises:
        ConfigError: if there is no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r} is not key=value; for example --set seed=1.")
    try:
        return key.strip(), tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def check_types(record: Any, what: str) -> None:
    """Check each field of a frozen record against its annotation.

    Raises:
        ConfigError: naming the field, what it is and what it may be.
    """
    hints = get_type_hints(type(record))
    for entry in fields(record):
        value, hint = getattr(record, entry.name), hints[entry.name]
        if allowed := [a for a in get_args(hint) if isinstance(a, str)]:
            if value not in allowed:
                near = get_close_matches(str(value), allowed, n=1)
                meant = f" Did you mean {near[0]!r}?" if near else ""
                raise ConfigError(
                    f"{what} field {entry.name} is {value!r}; "
                    f"it may be {', '.join(allowed)}.{meant}"
                )
        elif hint is float and isinstance(value, int) and not isinstance(value, bool):
            object.__setattr__(record, entry.name, float(value))
        elif hint in (int, float, str, bool) and type(value) is not hint:
            raise ConfigError(
                f"{what} field {entry.name} is {value!r}; it must be a {hint.__name__}."
            )


def _replaced(record: Record, values: Mapping[str, Any], what: str) -> Record:
    known = [entry.name for entry in fields(record)]
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"a {what} has no field {name!r}; {meant}It has {', '.join(known)}.")
    changed: Record = replace(record, **values)
    return changed


def _between(record: Any, name: str, low: float, high: float) -> None:
    value = getattr(record, name)
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}; it must be between {low} and {high}.")


def _input_size(value: int, name: str = "size") -> None:
    if not 32 <= value <= 1024 or value % 32:
        raise ConfigError(f"{name} is {value} px; it must be a multiple of 32 from 32 to 1024.")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # A JSON string is a TOML string, but for the one control character that JSON lets be.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
