"""Keep one centre a class of a network that was trained with several.

The centre that most training photos of the class are nearest to is the class; the others
have gathered what does not belong.

Source: Deng et al. 2020, sub-centre ArcFace, section 3.3.
"""

from __future__ import annotations

import torch

from waymark.dataset.loader import NEGATIVE, Source, plain_loader
from waymark.models.build import Classifier, to_device
from waymark.models.heads import SubCentreCosine, collapse
from waymark.preprocess import Preprocess
from waymark.progress import Progress, silent
from waymark.training.recipe import Recipe


@torch.inference_mode()
def keep_one_centre(
    model: Classifier,
    train: Source,
    recipe: Recipe,
    preprocess: Preprocess,
    *,
    progress: Progress = silent,
) -> None:
    """Replace a head of several centres a class by one of one; any other is left as it is.

    Args:
        model: trained; its landmark head is replaced in place.
        train: the photos that decide.
        recipe: how photos are read.
        preprocess: how prediction prepares them.
        progress: told of each batch.
    """
    head = model.heads["landmark"]
    if not isinstance(head, SubCentreCosine):
        return
    classes, centres, _ = head.weight.shape
    device = head.weight.device
    nearest = torch.zeros(classes, centres, device=device)
    mean = torch.tensor(preprocess.mean, device=device).view(3, 1, 1)
    std = torch.tensor(preprocess.std, device=device).view(3, 1, 1)
    model.eval()
    loader = plain_loader(train, preprocess, batch=64, workers=recipe.workers)
    for number, batch in enumerate(loader, start=1):
        known = batch.labels != NEGATIVE
        labels = batch.labels[known].to(device)
        photos = batch.photos[known].to(device)
        if len(labels):
            inputs = to_device(photos, mean, std, channels_last=recipe.channels_last)
            chosen = head.nearest_centres(model(inputs).embedding)
            rows = torch.arange(len(labels), device=device)
            nearest.index_put_(
                (labels, chosen[rows, labels]), torch.ones(len(labels), device=device), True
            )
        progress(number, len(loader), "choosing centres")
    collapse(model, nearest.argmax(1))
