"""A backbone becomes a classifier, with weights that fit or an error that says why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from waymark.errors import ConfigError, UnknownName  # noqa: E402
from waymark.models.build import (  # noqa: E402
    Classifier,
    as_float32,
    build,
    freeze,
    from_weights,
    read_weights,
    set_training,
    to_device,
)
from waymark.models.design import Design  # noqa: E402
from waymark.preprocess import Preprocess, to_array  # noqa: E402

NAME = "mobilenetv2_100"
PLAIN = Design(backbone=NAME)
SMALL = Design(backbone="scratch_cnn5", size=32)
TASKS = {"landmark": 3, "category": 2}


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Return the backbone's tensors of some network."""
    torch.manual_seed(1)
    tensors: dict[str, Tensor] = build(PLAIN, {"landmark": 2}).backbone.state_dict()
    return tensors


def test_outputs_belong_together() -> None:
    """The embedding is the mean of the feature map, and each task's logits are linear in it."""
    model = build(Design(backbone=NAME, dropout=0.5), TASKS).eval()
    with torch.no_grad():
        photos = torch.randn(2, 3, 64, 64)
        out = model(photos)
        again = model.from_features(model.features(photos))

    assert {task: value.shape for task, value in out.logits.items()} == {
        "landmark": (2, 3),
        "category": (2, 2),
    }
    torch.testing.assert_close(out.embedding, out.feature_map.mean((2, 3)))
    torch.testing.assert_close(out.logits["category"], model.heads["category"](out.embedding))
    torch.testing.assert_close(again.logits, out.logits)


@pytest.mark.parametrize("centres", [0, 2])
@pytest.mark.parametrize("link", ["none", "category", "landmark"])
def test_a_linked_task_sees_the_others_probabilities(link: Any, centres: int) -> None:
    """Beside the neck's vector; the embedding is what the landmark's head sees."""
    design = replace(SMALL, hidden=(8,), link=link, centres=centres)
    model = build(design, TASKS).eval()
    with torch.no_grad():
        out = model(torch.randn(4, 3, 32, 32))
        vector = model.neck(out.feature_map)
        chances = {task: logits.softmax(1) for task, logits in out.logits.items()}
        seen = dict.fromkeys(TASKS, vector)
        if link == "category":
            seen["landmark"] = torch.cat((vector, chances["category"]), 1)
        elif link == "landmark":
            seen["category"] = torch.cat((vector, chances["landmark"]), 1)

        torch.testing.assert_close(out.embedding, seen["landmark"])
        for task, head in model.heads.items():
            torch.testing.assert_close(out.logits[task], head(seen[task]))
    assert list(out.logits) == list(TASKS)
    assert model.num_features == out.embedding.shape[1] == (10 if link == "category" else 8)


def test_dropout_is_before_the_heads_and_not_in_the_embedding() -> None:
    """In training too, the embedding is whole."""
    model = build(replace(SMALL, dropout=0.9), TASKS)
    model.backbone.eval()
    photos = torch.randn(4, 3, 32, 32)

    torch.testing.assert_close(model(photos).embedding, model(photos).embedding)
    assert not torch.equal(model(photos).logits["landmark"], model(photos).logits["landmark"])


@pytest.mark.parametrize(
    ("design", "tasks", "says"),
    [
        (SMALL, {"category": 2}, "needs landmark"),
        (SMALL, {"landmark": 2, "colour": 2}, "needs landmark"),
        (replace(SMALL, link="category"), {"landmark": 2}, "--levels category,landmark"),
    ],
)
def test_tasks_that_do_not_go_with_the_design_are_a_config_error(
    design: Design, tasks: dict[str, int], says: str
) -> None:
    """The message says which there must be."""
    with pytest.raises(ConfigError, match=says):
        build(design, tasks)


def test_weights_are_loaded_and_a_classifier_of_their_own_is_passed_over(
    weights: dict[str, Tensor],
) -> None:
    """Files from timm bring a classifier for a thousand other things."""
    given = {**weights, "classifier.weight": torch.zeros(1000, 1280)}
    model = build(PLAIN, {"landmark": 2}, weights=given)

    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, weights[name])


@pytest.mark.parametrize("spoil", ["missing", "shape", "of another network"])
def test_weights_that_do_not_fit_are_a_config_error(spoil: str, weights: dict[str, Tensor]) -> None:
    """The message names the network, the first tensor that is wrong, and the option."""
    given = dict(weights)
    if spoil == "missing":
        del given["conv_stem.weight"]
    elif spoil == "shape":
        given["conv_stem.weight"] = torch.zeros(1, 2, 3, 4)
    else:
        given = {"conv1.weight": torch.zeros(64, 3, 7, 7)}

    with pytest.raises(ConfigError, match=rf"do not fit {NAME}.*conv_stem\.weight.*--weights"):
        build(PLAIN, {"landmark": 2}, weights=given)


@pytest.mark.parametrize("partial", [False, True])
def test_missing_weights_start_at_random_where_that_was_asked_for(
    partial: bool, weights: dict[str, Tensor]
) -> None:
    """Else the message names the setting that allows it."""
    given = {name: value for name, value in weights.items() if "blocks.6" not in name}
    if not partial:
        with pytest.raises(ConfigError, match=r"blocks\.6.*--set partial=true"):
            build(PLAIN, {"landmark": 2}, weights=given)
        return
    built = build(PLAIN, {"landmark": 2}, weights=given, partial=True, seed=5)
    loaded, plain = (
        network.backbone.state_dict() for network in (built, build(PLAIN, TASKS, seed=5))
    )

    for name, value in loaded.items():
        assert torch.equal(value, given[name] if name in given else plain[name])


@pytest.mark.parametrize("spoil", ["shape", "of another network"])
def test_partial_weights_must_fit_as_far_as_they_go(spoil: str) -> None:
    """A wrong shape, or not one tensor of this backbone, is an error all the same."""
    given = {"conv_stem.weight" if spoil == "shape" else "conv9.weight": torch.zeros(1, 2, 3, 4)}

    with pytest.raises(ConfigError, match=f"do not fit {NAME}"):
        build(PLAIN, {"landmark": 2}, weights=given, partial=True)


def test_what_has_no_weights_to_download_says_so() -> None:
    """With the two other ways to start."""
    with pytest.raises(ConfigError, match=r"no pretrained weights.*--weights.*start=random"):
        build(SMALL, {"landmark": 2}, pretrained=True)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("vgg19", "vgg19.partial"),
        ("resnet50_v1", "resnet50.partial"),
        ("resnet18", "resnet18.partial"),
        ("tf_efficientnet_b0", "tf_efficientnet_b0.partial"),
        ("tf_efficientnetv2_b0", "tf_efficientnetv2_b0"),
        ("mobilenetv2_100", "mobilenetv2_100"),
    ],
)
def test_the_shared_weights_fit(name: str, file: str, shared: Path) -> None:
    """Partial ones as partial, complete ones strictly; every tensor arrives."""
    given = read_weights(shared / "weights" / f"{file}.safetensors")
    partial = file.endswith(".partial")
    design = Design(backbone=name)
    loaded = build(design, TASKS, weights=given, partial=partial).backbone.state_dict()

    own = [tensor for tensor in given if not tensor.startswith("fc.")]
    assert all(torch.equal(loaded[tensor], given[tensor]) for tensor in own)
    if partial:
        with pytest.raises(ConfigError, match="partial=true"):
            build(design, TASKS, weights=given)


def test_an_unknown_backbone_is_named_back() -> None:
    """With the nearest name."""
    with pytest.raises(UnknownName, match=NAME):
        build(Design(backbone="mobilenetv2"), {"landmark": 2})


def test_int8_weights_are_multiplied_by_their_scale(tmp_path: Path) -> None:
    """One scale a row, of kernels and of matrices; other tensors become float32."""
    save_file(
        {
            "kernel": torch.tensor([[[[1]]], [[[-128]]]], dtype=torch.int8),
            "kernel.scale": torch.tensor([0.5, 0.25]),
            "half": torch.tensor([1.5], dtype=torch.float16),
            "count": torch.tensor(7),
        },
        tmp_path / "w.safetensors",
    )
    read = read_weights(tmp_path / "w.safetensors")

    assert sorted(read) == ["count", "half", "kernel"]
    assert read["kernel"].flatten().tolist() == [0.5, -32.0]
    assert read["half"].dtype == torch.float32
    assert read["count"].dtype == torch.int64


def test_a_scale_of_another_length_is_a_config_error() -> None:
    """A file of another program may use the name for something else."""
    with pytest.raises(ConfigError, match=r"k\.scale"):
        as_float32({"k": torch.zeros(2, 3, dtype=torch.int8), "k.scale": torch.ones(5)})


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_a_file_that_is_not_safetensors_is_a_config_error(
    content: bytes | None, tmp_path: Path
) -> None:
    """Missing, empty or of another kind."""
    file = tmp_path / "w.safetensors"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigError, match=r"takes a \.safetensors file"):
        read_weights(file)


def learning(model: Classifier) -> set[str]:
    return {
        ".".join(name.split(".")[: 2 if name.startswith("heads") else 1])
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def test_each_way_of_training_moves_its_own_parts() -> None:
    """Backbone for `all`, neck for `head` too, and the heads of the tasks that are learnt."""
    model = build(replace(SMALL, hidden=(8,)), TASKS)
    heads = {"heads.landmark", "heads.category"}

    freeze(model, trains="output", tasks=("category",))
    assert learning(model) == {"heads.category"}
    freeze(model, trains="head", tasks=("landmark",))
    assert learning(model) == {"neck", "heads.landmark"}
    freeze(model, trains="head")
    assert learning(model) == {"neck", *heads}
    freeze(model, trains="all", tasks=("landmark", "category"))
    assert learning(model) == {"backbone", "neck", *heads}


def test_frozen_parts_stay_in_evaluation_mode() -> None:
    """Their batch-norm statistics must not move while others learn."""
    model = build(replace(SMALL, hidden=(8,), hidden_norm=True), TASKS)
    photos = torch.randn(4, 3, 32, 32)
    for trains, still in (("all", ""), ("head", "backbone"), ("output", "backbone neck")):
        freeze(model, trains=trains)  # type: ignore[arg-type]
        set_training(model, training=True)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        model(photos)
        after = model.state_dict()
        parts = {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])}

        assert model.training
        assert parts == {"backbone", "neck"} - set(still.split())
    set_training(model, training=False)
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("spoil", ["", "missing", "shape", "head"])
def test_a_classifier_is_built_again_from_its_weights(spoil: str) -> None:
    """Counters may be missing; nothing else may, and nothing may have another shape."""
    design = replace(SMALL, pool="gem", hidden=(8,), hidden_norm=True, link="category")
    model = build(design, TASKS, seed=0).eval()
    tensors = {
        name.removeprefix("backbone."): value
        for name, value in model.state_dict().items()
        if "heads.landmark" not in name and not name.endswith("num_batches_tracked")
    }
    head = model.heads["landmark"]
    weight, bias = head.weight.detach(), head.bias.detach()
    if spoil == "missing":
        del tensors["neck.pool.exponent"]
    elif spoil == "shape":
        tensors["neck.hidden.0.weight"] = torch.zeros(8, 7)
    elif spoil == "head":
        weight = weight[:, 1:]
    heads = {"landmark": (weight, bias)}
    if spoil:
        with pytest.raises(ConfigError, match="do not fit its own design"):
            from_weights(design, TASKS, tensors, heads=heads, normalise=False)
        return
    again = from_weights(design, TASKS, tensors, heads=heads, normalise=False)
    photos = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        wanted, got = model(photos), again(photos)

    torch.testing.assert_close(got.logits, wanted.logits)
    torch.testing.assert_close(got.embedding, wanted.embedding)


def test_building_again_takes_no_memory_for_what_a_design_only_claims() -> None:
    """A stranger's design of a trillion weights is refused for what is missing."""
    huge = Design(backbone="scratch_cnn5", size=1024, pool="flatten", hidden=(65_536,) * 8)
    heads = {"landmark": (torch.zeros(3, 8), torch.zeros(3))}

    with pytest.raises(ConfigError, match="missing"):
        from_weights(huge, {"landmark": 3}, {}, heads=heads, normalise=True)


def test_training_normalises_as_prediction_does() -> None:
    """Bytes on a device become what `preprocess.to_array` makes of the same picture."""
    preprocess = Preprocess(size=32)
    photos = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (preprocess.mean, preprocess.std))

    got = to_device(photos, mean, std, channels_last=True)

    for one, photo in zip(got, photos, strict=True):
        wanted = to_array(photo.permute(1, 2, 0).numpy(), preprocess)  # type: ignore[arg-type]
        torch.testing.assert_close(one.contiguous(), torch.from_numpy(wanted))
