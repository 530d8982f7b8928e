"""Counts are true, summed over workers, and say nothing of who called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from waymark.serve.metrics import SHARED, Metrics

PREDICT = "/api/v1/predict"


def counts(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return every sample: (name, label values) to its value; read by Prometheus' own parser."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_happened_is_counted(opened: Callable[..., Any], jpeg: Callable[..., bytes]) -> None:
    """Requests by route and status, photos by outcome, batches by size."""
    with opened() as client:
        for body in (jpeg(0), jpeg(1), b"none"):
            client.post(PREDICT, content=body, headers={"Content-Type": "image/jpeg"})
        client.get("/healthz")
        client.head("/healthz")
        client.get("/secret-name-of-a-person")
        client.request("XYZZY", "/healthz")
        text = client.get("/metrics").text
    found = counts(text)
    assert found["waymark_requests_total", ("POST", PREDICT, "200")] == 2
    assert found["waymark_requests_total", ("POST", PREDICT, "422")] == 1
    assert found["waymark_requests_total", ("GET", "/healthz", "200")] == 1
    assert found["waymark_requests_total", ("HEAD", "/healthz", "200")] == 1
    assert found["waymark_requests_total", ("GET", "other", "404")] == 1
    assert found["waymark_photos_total", ("known",)] == 2
    assert found["waymark_photos_total", ("unreadable",)] == 1
    assert found["waymark_batch_photos_sum", ()] == 2
    assert found["waymark_requests_running", ()] == 1
    assert "secret" not in text
    assert "XYZZY" not in text


def test_apps_count_apart(opened: Callable[..., Any]) -> None:
    """Two apps of one program have nothing in common."""
    with opened() as one, opened() as two:
        one.get("/healthz")
        assert ("waymark_requests_total", ("GET", "/healthz", "200")) in counts(
            one.get("/metrics").text
        )
        assert ("waymark_requests_total", ("GET", "/healthz", "200")) not in counts(
            two.get("/metrics").text
        )


def test_processes_are_summed(tmp_path: Path) -> None:
    """What three processes counted stands in the answer of any of them."""
    code = (
        "from waymark.serve.metrics import Metrics\n"
        "made = Metrics()\nmade.begin()\nmade.end('GET', '/', 200, 0.1)\nmade.photo('known', 1)\n"
        "print(made.text().decode())"
    )
    environment = {**os.environ, SHARED: str(tmp_path)}
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    found = counts(done.stdout)
    assert found["waymark_requests_total", ("GET", "/", "200")] == 3
    assert found["waymark_photos_total", ("known",)] == 3
    assert found["waymark_photo_seconds_sum", ()] == 3


@pytest.mark.parametrize("reason", ["queue", "memory"])
def test_refusals_are_counted(
    opened: Callable[..., Any], jpeg: Callable[..., bytes], reason: str
) -> None:
    """By what there was too much of."""
    with opened(queue=1) as client:
        service = client.app.state.service
        service._photos, service.held = (
            (1, 0) if reason == "queue" else (0, service.settings.max_held)
        )
        client.post(PREDICT, content=jpeg(), headers={"Content-Type": "image/jpeg"})
        service.held = 0
        found = counts(client.get("/metrics").text)
    assert found["waymark_busy_total", (reason,)] == 1


def test_a_metrics_of_its_own_needs_no_folder() -> None:
    """By itself it counts in memory."""
    made = Metrics()
    made.batch(4)
    assert counts(made.text().decode())["waymark_batch_photos_sum", ()] == 4
