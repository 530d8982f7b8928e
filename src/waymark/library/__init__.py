"""A person's photos: what they show, where that is, and sidecars that say so."""
