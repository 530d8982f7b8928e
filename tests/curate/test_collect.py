"""Whatever a server does, and whenever a run ends, the folder is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from waymark.curate.collect import Caps, collect
from waymark.curate.fetch import Web
from waymark.curate.ledger import open_ledger
from waymark.curate.sources import Desk, Find
from waymark.dataset.index import read_dataset
from waymark.errors import CollectError, ConfigError, RunError


class Given:
    """A source that has what it is given."""

    source = "given"

    def __init__(self, *finds: Find) -> None:
        self.finds = finds

    def find(self, desk: Desk) -> Iterator[Find]:
        desk.expected = len(self.finds)
        yield from self.finds


def find(data: bytes, name: str = "a", **more: Any) -> Find:
    """Return a find with its bytes."""
    facts: dict[str, Any] = {"label": "tower", "title": name, **more}
    return Find(name=name, read=lambda most: data[: most + 1], **facts)


def test_a_server_that_misbehaves(way: Any, proof: Any, tmp_path: Path) -> None:
    """Each way ends in the right number of photos, a reason, and no partial file."""
    proof.bomb()
    report, server, private, time_ = proof.run_way(way, tmp_path / "out")

    assert not proof.wrong_with(way, tmp_path / "out", report, server, private)
    if way.name == "busy":
        assert any(6.5 < seconds <= 7 for seconds in time_.slept)
    if way.name == "busy-until":
        assert any(28 < seconds <= 31 for seconds in time_.slept)


def test_there_are_enough_ways(proof: Any) -> None:
    """Twenty are asked for; each has its own name."""
    assert len({way.name for way in proof.WAYS}) == len(proof.WAYS) >= 20


def test_what_will_not_change_is_not_asked_again(proof: Any, tmp_path: Path) -> None:
    """Of a second run, the server sees only what may have got better."""
    bad = {way.name: way for way in proof.WAYS}
    time_ = proof.Time()
    with proof.serving(proof.behave) as server:
        hosts = ["good", "missing", "page", "noai", "error-once", "error", "truncated"]
        listed = tmp_path / "list.txt"
        listed.write_text("".join(f"http://{h}.test:{server.port}/photo.jpg\n" for h in hosts))
        source = proof.Urls(file=listed, label="x")
        first = collect(source, tmp_path / "out", web=proof.web(time_))
        before = server.counts.copy()
        second = collect(source, tmp_path / "out", web=proof.web(time_))
        asked = {host.partition(".")[0] for host, path in server.counts - before if "jpg" in path}

    # photo() of good and error-once are one content
    assert (first.taken, second.taken) == (1, 0)
    assert asked == {"error"}
    assert [bad["error"].reason in miss.reason for miss in second.failed] == [True]
    assert second.known == len(hosts) - 1


def test_a_failure_that_passed_leaves_the_list(proof: Any, tmp_path: Path) -> None:
    """skipped.csv is what is missing now, not a history; empty, it goes."""
    out = tmp_path / "out"
    collect(Given(find(b"", refused="later")), out, web=proof.web(proof.Time()))
    assert [row["reason"] for row in proof.rows_of(out / "skipped.csv")] == ["later"]
    collect(Given(find(proof.photo())), out, web=proof.web(proof.Time()))

    assert not (out / "skipped.csv").exists()
    assert len(read_dataset(out / "manifest.csv").photos) == 1


def test_the_manifest_keeps_what_the_source_says(proof: Any, tmp_path: Path) -> None:
    """Author, licence, page, split and the rest can be read as a dataset's."""
    facts = {
        "author": '=cmd|"Ann"\nEvil, Inc.',
        "licence": "CC BY 4.0",
        "page": "https://wiki/File:A.jpg",
        "category": "tower",
        "place": "Paris",
        "split": "test",
        "group": "visit-1",
    }
    collect(Given(find(proof.photo(), **facts)), tmp_path, web=proof.web(proof.Time()))
    (photo,) = read_dataset(tmp_path / "manifest.csv").photos
    (row,) = proof.rows_of(tmp_path / "manifest.csv")

    assert photo.author == '=cmd|"Ann" Evil, Inc.'
    assert (photo.url, photo.licence, photo.split) == (facts["page"], "CC BY 4.0", "test")
    assert (photo.category, photo.place, photo.group) == ("tower", "Paris", "visit-1")
    assert photo.source == "given"
    assert photo.path.read_bytes() == proof.photo()
    assert row["author"].startswith("'=")
    assert len(row["sha256"]) == 64
    assert row["retrieved"].endswith("Z")


@pytest.mark.parametrize(
    "label", ["../../up", "/abs", ".hidden", "a\x00b", "nul\nline", "ü/ä", "x" * 300, "\ud800"]
)
def test_labels_and_titles_are_hostile(label: str, proof: Any, tmp_path: Path) -> None:
    """Whatever a label or title says, the photo lands one folder deep in the collection."""
    out = tmp_path / "in" / "out"
    collect(Given(find(proof.photo(), label=label, title=label)), out, web=proof.web(proof.Time()))
    (photo,) = read_dataset(out / "manifest.csv").photos

    assert photo.path.is_file()
    assert photo.path.resolve().parent.parent == out.resolve()
    assert not photo.path.parent.name.startswith(".")
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["out"]


def test_endless_names_do_not_break_the_tables(proof: Any, tmp_path: Path) -> None:
    """An address or an author of a megabyte is cut, a label is refused; the next run reads on."""
    long = "x" * 1_000_000
    finds = [find(b"no", f"http://h/{long}"), find(proof.photo(), author=long, page=long)]
    finds.append(find(proof.photo(1), "b", label=long))
    for taken in (1, 0):
        report = collect(Given(*finds), tmp_path, web=proof.web(proof.Time()))
        assert report.taken == taken
    assert max(map(len, (tmp_path / "skipped.csv").read_text().splitlines())) < 20_000


def test_unknown_is_for_negatives(proof: Any, tmp_path: Path) -> None:
    """Photos of the label unknown become the dataset's negatives."""
    finds = [find(proof.photo(i), str(i), label=("unknown", "tower")[i % 2]) for i in range(4)]
    collect(Given(*finds), tmp_path, web=proof.web(proof.Time()))

    assert len(read_dataset(tmp_path / "manifest.csv").negatives) == 2


def test_no_content_is_kept_twice(proof: Any, tmp_path: Path) -> None:
    """The same bytes under another name or label are named as such, for good."""
    finds = [find(proof.photo(), "a"), find(proof.photo(), "b", label="church")]
    report = collect(Given(*finds), tmp_path, web=proof.web(proof.Time()))
    again = collect(Given(*finds), tmp_path, web=proof.web(proof.Time()))

    assert report.taken == 1
    assert "the same photo as tower/a-" in report.failed[0].reason
    assert (again.known, again.failed) == (2, [])


def test_caps_end_a_run_and_the_next_goes_on(proof: Any, tmp_path: Path) -> None:
    """The cap on all bytes stops before it is passed; each run takes as much again."""
    finds = [find(proof.photo(i), str(i)) for i in range(5)]
    size = max(len(proof.photo(i)) for i in range(5))
    caps = Caps(total_bytes=2 * size + 10, photo_bytes=2 * size)
    runs = [collect(Given(*finds), tmp_path, web=proof.web(proof.Time()), caps=caps) for _ in "123"]

    assert [run.taken for run in runs] == [2, 2, 1]
    assert [bool(run.stopped) for run in runs] == [True, True, False]
    assert "--max-total" in runs[0].stopped


def test_a_photo_over_the_cap_is_left(proof: Any, tmp_path: Path) -> None:
    """One photo too large is one line in the list, and the run goes on."""
    finds = [find(proof.photo() + bytes(90_000), "big"), find(proof.photo(1), "small")]
    report = collect(
        Given(*finds), tmp_path, web=proof.web(proof.Time()), caps=Caps(photo_bytes=50_000)
    )

    assert report.taken == 1
    assert report.failed[0].reason == "more than 50,000 bytes"


def test_the_limit_counts_what_is_there(proof: Any, tmp_path: Path) -> None:
    """So many photos a label, however many runs; thrown-away ones make room."""
    finds = [find(proof.photo(i), str(i), label="ab"[i % 2]) for i in range(8)]
    caps = Caps(per_label=2)
    for _ in range(2):
        report = collect(Given(*finds), tmp_path, web=proof.web(proof.Time()), caps=caps)
        assert report.counts == {"a": 2, "b": 2}
    thrown = read_dataset(tmp_path / "manifest.csv").photos[0].path
    thrown.unlink()
    report = collect(Given(*finds), tmp_path, web=proof.web(proof.Time()), caps=caps)

    assert report.taken == 1
    assert not thrown.exists()


def test_impossible_caps() -> None:
    """Caps under which nothing could be taken are refused."""
    for wrong in (
        {"per_label": 0},
        {"photo_bytes": 0},
        {"total_bytes": 0},
        {"photo_bytes": 1 << 40},
    ):
        with pytest.raises(ConfigError, match="--max-photo"):
            Caps(**wrong)


def test_another_table_is_left_alone(tmp_path: Path) -> None:
    """A manifest.csv that is not ours is not written to."""
    (tmp_path / "manifest.csv").write_text("path,label\na.jpg,x\n")
    with pytest.raises(CollectError, match="new folder"):
        collect(Given(), tmp_path)

    assert (tmp_path / "manifest.csv").read_text() == "path,label\na.jpg,x\n"


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    """The second is told that the first is at work."""
    with open_ledger(tmp_path), pytest.raises(RunError, match="another"):
        collect(Given(), tmp_path)


def test_progress_counts_photos(proof: Any, tmp_path: Path) -> None:
    """Done goes to the end, taken or not."""
    seen: list[tuple[int, int, str]] = []
    finds = [find(proof.photo(), "a"), find(b"no", "b"), find(proof.photo(2), "c")]
    collect(
        Given(*finds),
        tmp_path,
        web=proof.web(proof.Time()),
        progress=lambda done, total, what: seen.append((done, total, what)),
    )

    assert seen == [(n, 3, "collecting photos") for n in (1, 2, 3)]


def test_kill_9_again_and_again(proof: Any, tmp_path: Path) -> None:
    """Nothing that was there is asked for twice, nothing is lost, nothing half is left."""
    found = proof.prove_kills(tmp_path, photos=40, kills=3)

    assert found["kills"] == 3
    assert found["again"] <= 3


def test_an_end_at_any_step(root: Path) -> None:
    """Ended between any two calls, a run is made whole by the next; in a process that may fork."""
    code = (
        "import sys, tempfile; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from proof_collect import prove_steps\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    print(prove_steps(Path(folder), step=331)['ends'])\n"
    )
    command = [sys.executable, "-c", code, str(root / "benchmarks")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def hear_ctrl_c() -> None:
    """Take SIGINT as in a terminal: what a shell starts in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_leaves_whole_photos(proof: Any, tmp_path: Path) -> None:
    """The run ends with 130 and a hint; no partial file stays; the next goes on."""
    waiting = threading.Event()

    def stall(_: str, handler: Any) -> None:
        if handler.path == "/3.jpg" and handler.asked == 1:
            handler.begin(Content_Length="9999")
            handler.wfile.write(proof.photo()[:900])
            handler.wfile.flush()
            waiting.set()
            time.sleep(2)
        else:
            handler.send(proof.photo(int(handler.path[1])))

    out = tmp_path / "out"
    with proof.serving(stall) as server:
        listed = tmp_path / "list.txt"
        listed.write_text("".join(f"http://127.0.0.1:{server.port}/{i}.jpg t\n" for i in range(6)))
        command = [sys.executable, "-m", "waymark", "data", "collect", "urls", str(listed)]
        command += ["--out", str(out), "--allow-private", "--pause", "0"]
        running = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
            preexec_fn=hear_ctrl_c,  # noqa: PLW1509 (calls one function of the system)
        )
        assert waiting.wait(30)
        time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=30)
        files = {path.suffix for path in out.rglob("*") if path.is_file()}
        assert running.returncode == 130
        assert "run the same command again" in said
        assert files == {".jpg", ".csv"}
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0
        assert all(
            n == 1
            for (_, path), n in server.counts.items()
            if "3" not in path.split(".")[0] and path != "/robots.txt"
        )

    proof.check_whole(out, 6)


def test_a_run_killed_between_row_and_move_is_completed(proof: Any, tmp_path: Path) -> None:
    """A photo with its row, still waiting in .collect, is moved to its place; nothing is asked."""
    collect(Given(find(proof.photo())), tmp_path, web=proof.web(proof.Time()))
    (row,) = proof.rows_of(tmp_path / "manifest.csv")
    work = tmp_path / ".collect"
    work.mkdir()
    (tmp_path / row["path"]).rename(work / f"{row['key']}.whole")
    (work / "0123.half").write_bytes(b"half")
    report = collect(Given(replace(find(b"no longer"))), tmp_path, web=proof.web(proof.Time()))

    assert (report.taken, report.known) == (0, 1)
    assert (tmp_path / row["path"]).read_bytes() == proof.photo()
    assert not work.exists()


def test_a_run_killed_before_the_row_fetches_nothing_again(proof: Any, tmp_path: Path) -> None:
    """A photo that had come whole is judged from where it waits."""
    url = "http://nobody.test/photo.jpg"
    with open_ledger(tmp_path):
        pass
    (tmp_path / ".collect").mkdir()
    from waymark.curate.address import same_url
    from waymark.curate.ledger import key_of

    (tmp_path / ".collect" / f"{key_of(same_url(url))}.whole").write_bytes(proof.photo())
    report = collect(Given(Find(name=url, url=url, label="x", title="photo")), tmp_path, web=Web())

    assert report.taken == 1


def test_a_row_cut_off_by_a_crash_is_dropped(proof: Any, tmp_path: Path) -> None:
    """The last line without its end never was; its photo is taken anew."""
    finds = [find(proof.photo(i), str(i)) for i in range(3)]
    collect(Given(*finds), tmp_path, web=proof.web(proof.Time()))
    table = tmp_path / "manifest.csv"
    whole = table.read_bytes()
    last = sorted(tmp_path.rglob("*.jpg"))[-1]
    for cut in (1, 5, 60):
        table.write_bytes(whole[:-cut])
        report = collect(Given(*finds), tmp_path, web=proof.web(proof.Time()))
        assert report.taken == 1
        assert len(read_dataset(table).photos) == 3
    assert last.exists()
