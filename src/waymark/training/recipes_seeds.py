"""The recipes of the five projects that waymark grew from, as `docs/seeds.md` lists them.

What their READMEs say is taken over as it is; `notes` says what they leave open and what
was chosen. Everywhere: weight decay spares biases and norms, photos are read upright and
squashed to the square, and the weights of the lowest validation loss are kept.
"""

from __future__ import annotations

from waymark.training.recipe import Recipe, Stage

ISTANBUL_RESNET50 = Recipe(
    name="istanbul-resnet50",
    about="ImageNet ResNet50: a new head first, then all layers a thousand times slower.",
    source="S0, Istanbul landmarks (5 classes, 1,479 photos): .9412 validation accuracy",
    notes="Silent on epochs (20 and 10 here), momentum (0, Keras' default), augmentation (none) "
    "and pooling (mean). Weights 1/n are normalised over a batch, as torch does: their losses "
    "are of that size. Stage 1 ends with .8927.",
    backbone="resnet50",
    size=224,
    stages=(
        Stage(epochs=20, trains="head", optimiser="sgd", lr=8e-3, momentum=0.0),
        Stage(epochs=10, trains="all", optimiser="sgd", lr=8e-6, momentum=0.0),
    ),
    batch=16,
    class_weights="inverse",
    augment="none",
    val=0.195,
)

_UDACITY = Stage(epochs=50, optimiser="adam", lr=1e-4, weight_decay=1e-3)

UDACITY_SCRATCH_RESNET = Recipe(
    name="udacity-scratch-resnet",
    about="Convolutions and residual blocks from scratch.",
    source="S1, Landmark Image Classifier (50 classes): 56 % test accuracy",
    notes="Silent on widths and number of blocks (see models/scratch.py), input size (224 px) "
    "and augmentation (light).",
    backbone="scratch_resnet",
    start="random",
    size=224,
    stages=(_UDACITY,),
    batch=64,
    dropout=0.4,
    augment="light",
    val=0.2,
)

UDACITY_RESNET18 = Recipe(
    name="udacity-resnet18",
    about="ImageNet ResNet18, all layers fine-tuned.",
    source="S1, Landmark Image Classifier (50 classes): 82 % test accuracy",
    notes="Silent on input size (224 px) and augmentation (light). It says fine-tuned, so no "
    "layer is frozen.",
    backbone="resnet18",
    size=224,
    stages=(_UDACITY,),
    batch=64,
    dropout=0.4,
    augment="light",
    val=0.2,
)

SSSINGH_SCRATCH_CNN = Recipe(
    name="sssingh-scratch-cnn",
    about="Five convolutions from scratch, LogSoftmax and NLLLoss.",
    source="S2, Landmarks classification and tagging (50 classes, 4,996 photos): 38 % of 1,250",
    notes='Both initialisations: init = "default", which it kept, or "normal". Silent on the '
    "convolutions' kernels (3 x 3).",
    backbone="scratch_cnn5",
    start="random",
    size=128,
    normalise="dataset",
    stages=(Stage(epochs=15, optimiser="adam", lr=1e-3),),
    batch=32,
    pool="flatten",
    hidden=(1024,),
    hidden_norm=True,
    loss="nll",
    filters=16,
    augment="flip",
    val=0.2,
)

SSSINGH_VGG19 = Recipe(
    name="sssingh-vgg19",
    about="ImageNet VGG19, frozen, with a head of three dense layers.",
    source="S2, Landmarks classification and tagging (50 classes, 4,996 photos): 63 % of 1,250",
    backbone="vgg19",
    size=128,
    normalise="dataset",
    stages=(Stage(epochs=10, trains="head", optimiser="adam", lr=1e-3),),
    batch=32,
    pool="grid",
    hidden=(4096, 1024),
    dropout=0.5,
    loss="nll",
    augment="flip",
    val=0.2,
)

KOREA_SEQUENTIAL = Recipe(
    name="korea-sequential",
    about="A plain stack of convolutions from scratch, on photos changed many times over.",
    source="S3, landmarks a country (17 classes, 4,426 photos), try 23: .8553 accuracy",
    notes="7 layers are taken to be those with weights: 5 convolutions (32, 64, 128, 128, 128), "
    "a dense layer of 128 and the output. 15 copies of each photo stand for its 65,000 images; "
    "how they were changed is not said (light). Adam at Keras' default rate. Its batch of 128 is "
    "taken in four parts of 32: the same step, as nothing here is normalised over a batch, in a "
    "quarter of the memory.",
    backbone="sequential",
    start="random",
    size=128,
    stages=(Stage(epochs=140, optimiser="adam", lr=1e-3),),
    batch=32,
    accumulate=4,
    pool="flatten",
    hidden=(128,),
    depth=7,
    filters=32,
    first_activation="leaky-relu",
    activation="leaky-relu",
    conv_dropout=0.25,
    augment="light",
    copies=15,
    val=0.2,
)

KOREA_VGG = Recipe(
    name="korea-vgg",
    about="A network after VGG, 13 layers, from scratch.",
    source="S3, landmarks a country (17 classes, 4,426 photos), try 18: .4435 accuracy",
    notes="13 layers are taken to be VGG's ten convolutions and three dense ones, of 1,024.",
    backbone="vgg_like",
    start="random",
    size=128,
    stages=(Stage(epochs=50, optimiser="adam", lr=1e-3),),
    batch=32,
    pool="flatten",
    hidden=(1024, 1024),
    filters=64,
    conv_dropout=0.25,
    augment="light",
    copies=15,
    val=0.2,
)


def _usc(name: str, backbone: str, network: str) -> Recipe:
    return Recipe(
        name=name,
        about=f"ImageNet {network}, frozen, with a tower of dense layers: landmark and "
        "category, in five orders.",
        source="S4, EfficientNetB0 (417 photos, 30 landmarks, 6 categories): macro F1 .97 "
        "landmark, 1.00 category",
        notes="task is landmark-first, its best; also parallel, category-first, "
        "category-as-feature and landmark-as-feature. Silent on the tower's widths (512, 256), "
        "batch (32), rate (1e-3) and input size (224 px). In an as-feature order the rest stays "
        "frozen while the second output learns.",
        backbone=backbone,
        task="landmark-first",
        size=224,
        stages=(
            Stage(epochs=50, trains="head", optimiser="adam", lr=1e-3),
            Stage(epochs=20, trains="output", optimiser="adam", lr=1e-3),
        ),
        batch=32,
        hidden=(512, 256),
        dropout=0.1,
        augment="five",
        copies=5,
        val=0.15,
    )


USC_EFFICIENTNET_B0 = _usc("usc-efficientnet-b0", "tf_efficientnet_b0", "EfficientNet-B0")
USC_VGG16 = _usc("usc-vgg16", "vgg16", "VGG16")

SEEDS = (
    ISTANBUL_RESNET50,
    UDACITY_SCRATCH_RESNET,
    UDACITY_RESNET18,
    SSSINGH_SCRATCH_CNN,
    SSSINGH_VGG19,
    KOREA_SEQUENTIAL,
    KOREA_VGG,
    USC_EFFICIENTNET_B0,
    USC_VGG16,
)
