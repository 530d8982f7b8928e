"""A loaded bundle that names the landmark in a photo."""
