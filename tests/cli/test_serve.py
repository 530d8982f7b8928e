"""`waymark serve` refuses on one line what would be open by mistake, or cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from waymark.bundle.format import write_bundle
from waymark.bundle.tiny import tiny_bundle
from waymark.cli import app
from waymark.library.store import Store, default_path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the file of a tiny bundle."""
    path = tmp_path_factory.mktemp("serve") / "tiny.waymark"
    write_bundle(path, tiny_bundle())
    return str(path)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let nothing be served; return what would have been."""
    found: list[Any] = []
    monkeypatch.setattr("waymark.serve.run.run", lambda serving, _: found.append(serving))
    return found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "--no-auth"),
        (["--host", "0.0.0.0", "--token", "short"], "at least 8"),
        (["--token", "long enough", "--no-auth"], "contradict"),
        (["--bundle", "nothing.waymark"], "nothing.waymark"),
        (["--allow-teach", "--workers", "2"], "--allow-teach"),
        (["--unknown-threshold", "2"], "between 0"),
        (["--cors-origin", "*"], "name each"),
    ],
)
def test_what_is_refused(ran: list[Any], bundle: str, options: list[str], words: str) -> None:
    """Exit code 2, one line, the way out; before anything listens."""
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--bundle", bundle, *options])
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert ran == []


def test_options_reach_the_settings(ran: list[Any], bundle: str) -> None:
    """Each option is the setting of its name; the address is printed."""
    options = ["--batch-window", "0", "--workers", "3", "--queue", "7", "--max-mb", "2"]
    options += ["--max-megapixels", "5", "--shrink", "0", "--allow-host", "a.example", "--quiet"]
    options += ["--unknown-threshold", "0.5", "--cors-origin", "https://b.example"]
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--bundle", bundle, *options])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("waymark serves at http://127.0.0.1:")
    (serving,) = ran
    settings = serving.settings
    assert (settings.batch_window_ms, settings.workers, settings.queue) == (0, 3, 7)
    assert (settings.max_body, settings.max_pixels, settings.shrink) == (2 << 20, 5_000_000, 0)
    assert (settings.allowed_hosts, settings.log) == (("a.example",), "off")
    assert settings.cors_origins == ("https://b.example",)
    assert serving.options == {"unknown_threshold": 0.5}
    assert serving.bundle == bundle


def test_the_token_comes_from_the_environment(
    ran: list[Any], bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no list of processes shows it; an empty one is none."""
    for given, found in (("open sesame, please", "open sesame, please"), ("", None)):
        monkeypatch.setenv("WAYMARK_TOKEN", given)
        result = CliRunner().invoke(app, ["serve", "--port", "0", "--bundle", bundle])
        assert result.exit_code == 0, result.output
        assert "sesame" not in result.output
        assert ran.pop().settings.token == found


def test_the_default_bundle_is_found(ran: list[Any], world_path: Path) -> None:
    """`world`, by its path, for workers that may run elsewhere."""
    assert CliRunner().invoke(app, ["serve", "--port", "0"]).exit_code == 0
    assert ran[0].bundle == str(world_path)


def test_the_usual_library_need_not_be_named_by_its_path(
    ran: list[Any], bundle: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--library default` is the one that `waymark tag` fills."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    Store.open(default_path()).close()
    options = ["serve", "--port", "0", "--bundle", bundle, "--library", "default"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    assert ran.pop().settings.library == tmp_path / "waymark" / "library.sqlite"
