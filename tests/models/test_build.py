"""A backbone becomes a classifier, with weights that fit or an error that says why not."""

from __future__ import annotations

from pathlib import Path

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
    read_weights,
    set_training,
    to_device,
)
from waymark.preprocess import Preprocess, to_array  # noqa: E402

NAME = "mobilenetv2_100"


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Return the backbone's tensors of some network."""
    torch.manual_seed(1)
    tensors: dict[str, Tensor] = build(NAME, {"landmark": 2}).backbone.state_dict()
    return tensors


def test_outputs_belong_together() -> None:
    """The embedding is the mean of the feature map, and each task's logits are linear in it."""
    model = build(NAME, {"landmark": 3, "category": 2}, dropout=0.5).eval()
    with torch.no_grad():
        out = model(torch.randn(2, 3, 64, 64))

    assert {task: value.shape for task, value in out.logits.items()} == {
        "landmark": (2, 3),
        "category": (2, 2),
    }
    torch.testing.assert_close(out.embedding, out.feature_map.mean((2, 3)))
    torch.testing.assert_close(out.logits["category"], model.heads["category"](out.embedding))


def test_weights_are_loaded_and_a_classifier_of_their_own_is_passed_over(
    weights: dict[str, Tensor],
) -> None:
    """Files from timm bring a classifier for a thousand other things."""
    given = {**weights, "classifier.weight": torch.zeros(1000, 1280)}
    model = build(NAME, {"landmark": 2}, weights=given)

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
        build(NAME, {"landmark": 2}, weights=given)


def test_an_unknown_backbone_is_named_back() -> None:
    """With the nearest name."""
    with pytest.raises(UnknownName, match=NAME):
        build("mobilenetv2", {"landmark": 2})


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


def test_a_frozen_backbone_stays_in_evaluation_mode() -> None:
    """Its batch-norm statistics must not move while only the head learns."""
    model: Classifier = build(NAME, {"landmark": 2})
    freeze(model, frozen=True)
    set_training(model, training=True)

    assert model.training
    assert not model.backbone.training
    assert {p.requires_grad for p in model.heads.parameters()} == {True}

    freeze(model, frozen=False)
    set_training(model, training=True)
    assert model.backbone.training


def test_training_normalises_as_prediction_does() -> None:
    """Bytes on a device become what `preprocess.to_array` makes of the same picture."""
    preprocess = Preprocess(size=32)
    photos = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (preprocess.mean, preprocess.std))

    got = to_device(photos, mean, std, channels_last=True)

    for one, photo in zip(got, photos, strict=True):
        wanted = to_array(photo.permute(1, 2, 0).numpy(), preprocess)  # type: ignore[arg-type]
        torch.testing.assert_close(one.contiguous(), torch.from_numpy(wanted))
