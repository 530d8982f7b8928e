"""The two speeds of training: a head on cached features, and the whole network."""
