"""The Action API: continuing, and text out of HTML. Waiting is tested in test_commons.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waymark.curate.sources.mediawiki import plain, query
from waymark.errors import CollectError


def answers(proof: Any, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what `query` makes of these answers, given in turn."""
    waiting = list(bodies)
    with proof.serving(
        lambda _, h: h.send(json.dumps(waiting.pop(0) if waiting else bodies[-1]).encode())
    ) as server:
        web = proof.web(proof.Time())
        try:
            return list(query(web, f"http://w.test:{server.port}/api.php", {"list": "x"}))
        finally:
            web.close()


def test_a_batch_is_merged_from_its_answers(proof: Any) -> None:
    """Each page has what any answer said of it; a batch comes when it is complete."""
    first = {"continue": {"iicontinue": "1", "continue": "||"}}
    first["query"] = {"pages": [{"pageid": 1, "title": "a", "imageinfo": [{}]}, {"pageid": 2}]}
    second: dict[str, Any] = {"batchcomplete": True, "continue": {"gcm": "2", "continue": "gcm||"}}
    second["query"] = {"pages": [{"pageid": 1}, {"pageid": 2, "imageinfo": [{}]}]}
    third = {"batchcomplete": True, "query": {"pages": [{"pageid": 3}]}}
    batches = answers(proof, first, second, third)

    assert [[page["pageid"] for page in batch["pages"]] for batch in batches] == [[1, 2], [3]]
    assert all("imageinfo" in page for page in batches[0]["pages"])


def test_nothing_found_and_no_end(proof: Any) -> None:
    """An answer without a query is an empty batch; one that leads to itself is an error."""
    assert answers(proof, {"batchcomplete": True}) == [{"pages": []}]
    with pytest.raises(CollectError, match="circle"):
        answers(proof, {"continue": {"gcm": "1", "continue": "gcm||"}, "query": {"pages": []}})


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<a href="x">Ann</a>', "Ann"),
        ("A &amp; B<br/>C<p>D</p>E", "A & B CD E"),
        ('<span style="display: none;">Unknown author</span>Unknown', "Unknown"),
        ("<style>p{}</style><script>x()</script>Bo", "Bo"),
        ("<bdi><a>Äö</a></bdi>\n\n<br>", "Äö"),
        ("plain < text", "plain < text"),
        ("", ""),
    ],
)
def test_html_becomes_text(html: str, text: str) -> None:
    """What a reader sees, on one line; nothing hidden, no markup."""
    assert plain(html) == text
