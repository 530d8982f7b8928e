"""Tagging on a local cluster: the rows of the local engine, through kills and reruns."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyarrow import fs
from typer.testing import CliRunner

import waymark
from waymark import Recogniser
from waymark.cli import app
from waymark.errors import BundleError, ConfigError, RunError
from waymark.scale.cluster import cluster
from waymark.scale.results import find_results, read_lines
from waymark.scale.tag import tag_at_scale

# Ray leaves sockets and files of its processes to the garbage collector
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:ray"),
]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Start a cluster of two workers, once."""
    with cluster(2) as started:
        yield started


@pytest.fixture(scope="module")
def expected(photos: Path, world: Recogniser) -> dict[str, str]:
    """Return the lines that `waymark predict --json` prints of the photos, by name."""
    done = CliRunner().invoke(app, ["predict", "--json", str(photos)])
    assert done.exit_code == 1  # two are damaged
    return {json.loads(line)["photo"]: line for line in done.stdout.splitlines()}


def lines(out: Path) -> list[str]:
    """Return the `json` column of all results."""
    return list(read_lines(find_results(out)))


@pytest.fixture(scope="module")
def tagged(ray: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Tag the photos once, in parts of four."""
    out = tmp_path_factory.mktemp("tagged") / "out"
    return out, tag_at_scale(photos, out, part_photos=4)


def test_rows_are_those_of_predict(tagged: tuple[Path, Any], expected: dict[str, str]) -> None:
    """Each photo gives the line that `predict --json` prints, byte for byte; broken ones too."""
    out, report = tagged

    assert sorted(lines(out)) == sorted(expected.values())
    assert (report.photos, report.recognised, report.failed) == (24, 24, 2)
    assert not report.unfinished


def test_columns_say_what_the_line_says(tagged: tuple[Path, Any]) -> None:
    """The plain columns hold the best guess of the line, or the error."""
    for row in ds.dataset(tagged[0], format="parquet").to_table().to_pylist():
        said = json.loads(row["json"])
        assert row["error"] == said.get("error")
        if row["error"] is None:
            best = said["predictions"][0]
            assert {key: row[key] for key in best if key in row} == {
                key: value for key, value in best.items() if key in row
            }
            assert (row["known"], row["unknown_score"]) == (said["known"], said["unknown_score"])


def test_readers_see_the_prefix(tagged: tuple[Path, Any]) -> None:
    """A Parquet reader gives each row the folder of its photo, whatever characters it has."""
    table = ds.dataset(tagged[0], format="parquet", partitioning="hive").to_table()
    for row in table.select(["photo", "prefix"]).to_pylist():
        assert str(Path(row["photo"]).parent).endswith(
            "photos" if row["prefix"] == "." else f"photos/{row['prefix']}"
        )


def test_a_second_run_does_only_what_is_missing(
    tagged: tuple[Path, Any],
    photos: Path,
    expected: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parts with rows are left as they are; one without is done again, into the same file.

    Photos are called as they were at first, from whatever folder their own is named.
    """
    out = shutil.copytree(tagged[0], tmp_path / "out")
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("part-*.parquet")}
    lost = sorted(stamps)[0]
    lost.unlink()
    monkeypatch.chdir(photos.parent)
    report = tag_at_scale(photos.name, out, part_photos=4)
    changed = [path for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp]

    assert changed == [lost]
    assert report.photos == 24
    assert 0 < report.recognised <= 4
    assert sorted(lines(out)) == sorted(expected.values())


def test_a_store_gives_the_same_predictions(
    ray: Any, photos: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    """Bytes fetched through pyarrow give what files give; no photo, no row."""
    store = fs.SubTreeFileSystem(str(photos.parent), fs.LocalFileSystem())
    report = tag_at_scale("s3://photos", tmp_path / "out", filesystem=store)
    wanted = {line.replace(str(photos), "s3://photos") for line in expected.values()}

    assert set(lines(tmp_path / "out")) == wanted
    assert (report.photos, report.failed, report.unfetched) == (24, 2, 0)


def test_a_killed_worker_loses_nothing(ray: Any, photos: Path, tmp_path: Path) -> None:
    """kill -9 of an actor in the middle: every photo has one row in the end, in one run."""
    many = tmp_path / "many"
    for copy in range(12):
        shutil.copytree(
            photos / "lighthouse" if (photos / "lighthouse").is_dir() else photos,
            many / f"{copy:02d}",
        )
    out = tmp_path / "out"
    killed: list[int] = []

    def kill() -> None:
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            time.sleep(0.02)
            if not any(out.rglob("part-*.parquet")):
                continue
            for process in psutil.Process().children(recursive=True):
                if "MapWorker" in " ".join(process.cmdline()) and process.num_threads():
                    os.kill(process.pid, signal.SIGKILL)
                    killed.append(process.pid)
                    break

    killer = threading.Thread(target=kill)
    killer.start()
    report = tag_at_scale(many, out, part_photos=3)
    killer.join()
    names = [json.loads(line)["photo"] for line in lines(out)]

    assert killed
    assert not report.unfinished
    assert len(names) == len(set(names)) == report.photos == report.recognised
    assert set(names) >= {str(path) for path in many.rglob("0*.jpg")}
    assert not list(out.rglob("*.partial"))
    assert not list(out.rglob("*.tries"))
    for path in out.rglob("*.parquet"):
        assert pq.ParquetFile(path).metadata.num_rows


def test_fewer_photos_leave_no_stale_rows(ray: Any, photos: Path, tmp_path: Path) -> None:
    """Where photos have gone, their part goes."""
    some = tmp_path / "some"
    some.mkdir()
    for number, path in enumerate(sorted(photos.rglob("00*.jpg"))[:5]):
        shutil.copy(path, some / f"{number}.jpg")
    tag_at_scale(some, tmp_path / "out", part_photos=2)
    for number in (2, 3, 4):
        (some / f"{number}.jpg").unlink()
    report = tag_at_scale(some, tmp_path / "out", part_photos=2)

    assert (report.photos, report.recognised) == (2, 0)
    assert len(lines(tmp_path / "out")) == 2


def test_what_cannot_be_written_is_said(ray: Any, photos: Path, tmp_path: Path) -> None:
    """A folder that takes no files ends the run with one clear error."""
    out = tmp_path / "out"
    out.write_text("a file")
    with pytest.raises(RunError, match="cannot be written"):
        tag_at_scale(photos, out)


def test_results_say_what_they_are_of(tagged: tuple[Path, Any], photos: Path) -> None:
    """The place, how photos in it are called, the bundle, the settings and waymark's version."""
    said = json.loads((tagged[0] / "_waymark.json").read_text())

    assert said["of"] == said["shown"] == str(photos)
    assert said["waymark"] == waymark.__version__
    assert (said["k"], said["part_photos"]) == (5, 4)


def test_a_place_without_photos_leaves_no_results(tagged: tuple[Path, Any], tmp_path: Path) -> None:
    """A mistyped address takes no folder; and results are not emptied for an empty disk."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(ConfigError, match="no photos in"):
        tag_at_scale(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(ConfigError, match="is not a folder"):
        tag_at_scale(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_results_are_not_mixed(
    tagged: tuple[Path, Any], photos: Path, tmp_path: Path
) -> None:
    """A folder with results of other photos, other settings or other things is refused."""
    with pytest.raises(RunError, match="another --out"):
        tag_at_scale(photos.parent, tagged[0], part_photos=4)
    with pytest.raises(RunError, match="holds results with k 5, not 3"):
        tag_at_scale(photos, tagged[0], part_photos=4, k=3)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        tag_at_scale(photos, tmp_path)


def test_options_are_checked_before_anything_starts(photos: Path, tmp_path: Path) -> None:
    """An impossible option, or a bundle that is none, is said at once."""
    with pytest.raises(ConfigError, match="start at 1"):
        tag_at_scale(photos, tmp_path / "out", k=0)
    with pytest.raises(ConfigError, match="threshold"):
        tag_at_scale(photos, tmp_path / "out", unknown_threshold=2.0)
    with pytest.raises(BundleError):
        tag_at_scale(photos, tmp_path / "out", bundle=tmp_path / "none.waymark")
    assert not (tmp_path / "out").exists()


def test_the_command(ray: Any, photos: Path, expected: dict[str, str], tmp_path: Path) -> None:
    """`waymark tag --engine ray ADDRESS --json` prints the rows; exit code 1 for broken photos."""
    out = tmp_path / "out"
    command = ["tag", "--engine", "ray", photos.as_uri(), "--out", str(out), "--json"]
    done = CliRunner().invoke(app, command)

    assert done.exit_code == 1, done.output
    assert sorted(done.stdout.splitlines()) == sorted(expected.values())
    assert "2 photos cannot be read" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--engine", "ray", "a", "b"],
        ["--engine", "ray", "a", "--csv", "x.csv"],
        ["a", "--out", "b"],
    ],
)
def test_options_of_the_other_engine_are_refused(arguments: list[str]) -> None:
    """What one engine does not do is an error, not silence."""
    assert CliRunner().invoke(app, ["tag", *arguments]).exit_code != 0
