"""Photos from the world to a dataset one can trust: collect, check, clean."""
