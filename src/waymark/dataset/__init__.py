"""Photos with labels: reading, splitting, describing and streaming them."""
