"""Nothing that a file is called reaches a terminal as a command."""

from __future__ import annotations

import pytest

from waymark.cli.terminal import shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tour Eiffel é 東京", "Tour Eiffel é 東京"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb", "a\\nb"),
        ("\udce9", "\\udce9"),
        ("\u202e", "\\u202e"),
    ],
)
def test_what_is_no_plain_text_is_escaped(text: str, expected: str) -> None:
    """Letters of any script stay; controls, half characters and turned writing do not."""
    assert shown(text) == expected
