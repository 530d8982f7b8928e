"""What one would write without waymark: torch, timm, a DataLoader, photo by photo.

Every photo is decoded whole, resized, and run through an eager timm model; the benchmarks
hold waymark against this with the same number of workers and the same input size. The
weights' values do not change the time, so random ones serve.

    python benchmarks/straightforward.py PHOTO_OR_FOLDER... [--size 128] [--workers 2]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import timm
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

CLASSES = 54


class Photos(Dataset[torch.Tensor]):
    """Photos of a list of files, as the network wants them."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths = paths
        self.prepare = v2.Compose(
            [
                v2.PILToTensor(),
                v2.Resize((size, size), antialias=True),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.prepare(Image.open(self.paths[index]).convert("RGB"))


@torch.inference_mode()
def predict(
    paths: Sequence[Path],
    *,
    size: int = 128,
    workers: int = 0,
    batch: int = 32,
    model_name: str = "tf_efficientnetv2_b0",
) -> Iterator[tuple[Path, int, float]]:
    """Yield (path, class index, probability) of each photo, in order."""
    model = timm.create_model(model_name, num_classes=CLASSES).eval()
    loader = DataLoader(Photos(paths, size), batch_size=batch, num_workers=workers)
    done = 0
    for photos in loader:
        scores, labels = model(photos).softmax(dim=1).max(dim=1)
        for score, label in zip(scores.tolist(), labels.tolist(), strict=True):
            yield paths[done], label, score
            done += 1


def main() -> None:
    """Print a line a photo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--size", type=int, default=128, help="side of the network's input")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode")
    arguments = parser.parse_args()
    paths = [
        path
        for each in arguments.photos
        for path in (sorted(each.glob("*.jpg")) if each.is_dir() else [each])
    ]
    for path, label, score in predict(paths, size=arguments.size, workers=arguments.workers):
        print(f"{path}\t{label}\t{score:.3f}")


if __name__ == "__main__":
    main()
