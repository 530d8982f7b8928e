"""Text for a terminal, whatever a file or a landmark is called."""

from __future__ import annotations


def shown(text: str) -> str:
    """Escape what could steer a terminal, or cannot be printed at all."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
