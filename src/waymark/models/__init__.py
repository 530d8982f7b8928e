"""Networks: which backbones there are, and how one becomes a classifier."""
