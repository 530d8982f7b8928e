"""How to train: one frozen record, its check, and its TOML form.

A recipe is a sequence of stages over one network. `training/recipes.py` lists the
ones with a name; a user's own is a TOML file of the same fields.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from waymark.errors import ConfigError
from waymark.models.design import Activation, Design, Init, Link, Pool
from waymark.training.fields import between, check_types, input_size, replaced, toml_value

Optimiser = Literal["adamw", "adam", "sgd", "rmsprop"]
Schedule = Literal["cosine", "linear", "constant"]
Trains = Literal["head", "all", "output"]
Start = Literal["pretrained", "random", "world"]
Augment = Literal["none", "flip", "five", "light", "strong"]
Loss = Literal["cross-entropy", "nll", "arcface"]
Normalise = Literal["backbone", "dataset"]
ClassWeights = Literal["none", "inverse", "balanced"]
Precision = Literal["auto", "float32", "bfloat16"]
Kind = Literal["deep", "linear"]
Strategy = Literal[
    "landmark",
    "parallel",
    "category-first",
    "landmark-first",
    "category-as-feature",
    "landmark-as-feature",
]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One part of a training: what learns, for how long, and how fast.

    Attributes:
        epochs: passes over the training photos.
        trains: `head` keeps the backbone frozen (its batch norm too); `all` trains everything;
            `output` trains the last layer of the tasks that are still to be learnt.
        optimiser: AdamW, Adam, SGD (Nesterov, where there is momentum) or RMSprop.
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
        between(self, "epochs", 1, 100_000)
        between(self, "lr", 1e-9, 100.0)
        between(self, "backbone_lr", 0.0, 100.0)
        between(self, "layer_decay", 0.01, 1.0)
        between(self, "weight_decay", 0.0, 10.0)
        between(self, "momentum", 0.0, 0.9999)
        between(self, "final_lr", 0.0, 1.0)
        between(self, "warmup", 0.0, float(self.epochs))
        if self.size:
            input_size(self.size)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides how a training goes.

    Attributes:
        name: what runs and tables call it.
        about: one sentence for `waymark recipes`.
        source: where the recipe comes from.
        notes: what its source leaves open, and what was chosen.
        kind: `deep` trains a network with torch; `linear` fits a head on a bundle's embedding.
        backbone: a name of `waymark backbones`.
        start: where the weights come from: timm's hub or `--weights` (`pretrained`), the
            bundled world backbone (`world`), or nowhere (`random`).
        partial: whether weights may lack some of the backbone's tensors, which then start
            at random; where such a backbone is frozen at first, its batch norms are measured on
            the training photos, or without any its random layers scaled.
        task: what is learnt: the landmark; landmark and category at once (`parallel`); one
            of them first, then the other's output layer on the same features; or the
            other's output layer that also sees the first one's prediction.
        normalise: mean and deviation of the input: those of the backbone's weights, or of the
            dataset's training photos.
        size: side of the network's square input in training, in pixels.
        predict_size: side at prediction; 0 means `size`.
        fast_size: side for `--fast`; 0 means `predict_size`.
        fit: how a photo of any aspect becomes a square (see `Preprocess`).
        stages: one after the other, each with its own optimiser.
        batch: photos a step, shared by all processes.
        accumulate: steps whose gradients are averaged before the weights move.
        pool, hidden, hidden_norm, dropout, drop_path: see `Design`, as are the fields from
            `depth` on.
        loss: cross-entropy; `nll` is the same written as LogSoftmax and NLLLoss; `arcface`
            is cross-entropy of cosines with an angular margin.
        margin: of `arcface`, in radians.
        scale: of `arcface`: what cosines are multiplied by.
        centres: of `arcface`: centres a class, so that wrong photos gather apart.
        label_smoothing: 0 is plain cross-entropy.
        class_weights: `inverse` is 1/n a class, `balanced` N/(C n), in the loss.
        balance: 0 draws photos evenly, 1 draws classes evenly, between is n^-balance.
        augment: how strongly photos are changed as they stream; `five` gives each photo as
            it is, turned, mirrored, upside down and with noise.
        copies: how often each photo is drawn in an epoch, each time changed anew.
        mixup: alpha of the Beta distribution; 0 is off.
        cutmix: alpha of the Beta distribution; 0 is off.
        clip: largest gradient norm; 0 is off.
        ema: decay of the averaged weights that are validated and kept; 0 is off.
        negatives: weight of the loss that asks for no opinion on negatives (Hendrycks
            et al. 2019, outlier exposure); 0 is off.
        distil: weight of the loss that keeps the features of the start network, so that
            the embedding still serves landmarks it was never trained on; 0 is off.
        distil_size: input side at which the start network's features are computed.
        precision: `auto` is bfloat16 on a GPU that has it and a CPU with AMX, else float32;
            what is exported is float32.
        channels_last: memory format; faster for convolutions on CPU and GPU.
        compile: torch.compile the training step (needs a C++ compiler).
        patience: epochs that are not better before a stage ends; 0 is off.
        val: fraction of the training photos kept for validation, where none is given.
        split_seed: draws the validation photos, where none are given; apart from `seed`, so
            that trainings of several seeds are measured on the same photos.
        workers: processes that read and augment photos; 0 is in the training process.
        seed: the same seed on the same CPU gives the same metrics.
        views: `linear` only: views of each photo that are embedded (2 adds its centre, 3
            the mirror image).
    """

    name: str = "custom"
    about: str = ""
    source: str = ""
    notes: str = ""
    kind: Kind = "deep"
    backbone: str = "tf_efficientnetv2_b0"
    start: Start = "pretrained"
    partial: bool = False
    task: Strategy = "landmark"
    size: int = 128
    predict_size: int = 0
    fast_size: int = 0
    fit: Literal["squash", "crop", "pad"] = "squash"
    normalise: Normalise = "backbone"
    stages: tuple[Stage, ...] = field(default_factory=lambda: (Stage(),))
    batch: int = 64
    accumulate: int = 1
    pool: Pool = "mean"
    hidden: tuple[int, ...] = ()
    hidden_norm: bool = False
    dropout: float = 0.0
    drop_path: float = 0.0
    loss: Loss = "cross-entropy"
    margin: float = 0.3
    scale: float = 30.0
    centres: int = 3
    label_smoothing: float = 0.0
    class_weights: ClassWeights = "none"
    balance: float = 0.0
    augment: Augment = "light"
    copies: int = 1
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
    split_seed: int = 0
    workers: int = 1
    seed: int = 0
    views: int = 2
    depth: int = 7
    filters: int = 32
    kernel: int = 3
    first_activation: Activation = "relu"
    activation: Activation = "relu"
    max_pool: int = 2
    conv_dropout: float = 0.25
    init: Init = "default"

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
                input_size(value, name)
        if not self.size:
            raise ConfigError("size is 0 px; it must be a multiple of 32 between 32 and 1024.")
        between(self, "batch", 1, 65_536)
        between(self, "accumulate", 1, 4096)
        for name in ("dropout", "drop_path", "label_smoothing"):
            between(self, name, 0.0, 0.95)
        between(self, "balance", 0.0, 1.0)
        for name in ("mixup", "cutmix", "clip", "negatives", "distil"):
            between(self, name, 0.0, 100.0)
        between(self, "ema", 0.0, 0.99999)
        between(self, "patience", 0, 100_000)
        between(self, "val", 0.01, 0.9)
        between(self, "workers", 0, 256)
        between(self, "seed", 0, 2**32 - 1)
        between(self, "views", 1, 3)
        between(self, "copies", 1, 1000)
        between(self, "margin", 0.0, 1.5)
        between(self, "scale", 1.0, 1000.0)
        between(self, "centres", 1, 64)
        between(self, "depth", 3, 64)
        between(self, "filters", 1, 4096)
        between(self, "kernel", 1, 15)
        between(self, "max_pool", 1, 8)
        between(self, "conv_dropout", 0.0, 0.95)
        self._check_fit()

    def _check_fit(self) -> None:
        """Refuse fields that are possible, but not together."""
        Design.from_dict(self.design.to_dict())  # what a bundle would be refused for
        sizes = {self.size, self.predict_size, self.fast_size, *(s.size for s in self.stages)}
        if self.pool == "flatten" and len(sizes - {0}) > 1:
            raise ConfigError(
                f'pool is "flatten", which binds the network to one input size, and the recipe '
                f'has {sorted(sizes - {0})}. Use one size, or pool = "grid", "mean" or "gem".'
            )
        outputs = [stage.trains == "output" for stage in self.stages]
        if self.task not in ("landmark", "parallel") and (not any(outputs) or outputs[0]):
            raise ConfigError(
                f'task is "{self.task}": one task is learnt, then the other\'s output. Add a last '
                'stage with trains = "output".'
            )
        if all(outputs):
            raise ConfigError('a stage before one with trains = "output" must train the head.')
        soft = ("label_smoothing", "mixup", "cutmix", "negatives")
        if self.loss == "nll" and (used := [name for name in soft if getattr(self, name)]):
            raise ConfigError(
                f'loss is "nll", which knows one true class a photo, and {used[0]} is '
                f'{getattr(self, used[0])}. Set it to 0, or loss = "cross-entropy".'
            )
        if self.loss == "arcface" and (self.mixup or self.cutmix):
            raise ConfigError(
                'loss is "arcface", whose margin needs one true class a photo; set mixup and '
                "cutmix to 0."
            )

    @property
    def epochs(self) -> int:
        """Epochs of all stages together; where both tasks are learnt at once, no output's."""
        both = self.task == "parallel"
        return sum(s.epochs for s in self.stages if not (both and s.trains == "output"))

    @property
    def design(self) -> Design:
        """What the recipe's network is built of."""
        links: dict[str, Link] = {
            "category-as-feature": "category",
            "landmark-as-feature": "landmark",
        }
        shared = {f.name for f in fields(Design)} & {f.name for f in fields(self)}
        values = {name: getattr(self, name) for name in shared}
        values["centres"] = self.centres if self.loss == "arcface" else 0
        values["size"] = self.predict_size or self.size
        return Design(**values, link=links.get(self.task, "none"))

    def to_toml(self) -> str:
        """Return the recipe as a TOML file that `read_recipe` reads back."""
        lines = [
            f"{name} = {toml_value(value)}"
            for name, value in asdict(self).items()
            if name != "stages"
        ]
        for stage in self.stages:
            lines += ["", "[[stages]]"]
            lines += [f"{name} = {toml_value(value)}" for name, value in asdict(stage).items()]
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
                stages[int(number)] = replaced(stages[int(number)], {name: value}, "stage")
            elif key == "stages":
                raise ConfigError(
                    "stages cannot be set whole; set a field of one: stages.0.lr=1e-3."
                )
            else:
                plain[key] = value
        return replaced(self, {**plain, "stages": tuple(stages)}, "recipe")


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
        values["stages"] = tuple(replaced(Stage(), stage, "stage") for stage in raw)
    values.setdefault("name", path.stem)
    return replaced(Recipe(), values, "recipe")


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
