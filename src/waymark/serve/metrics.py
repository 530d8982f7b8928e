"""What the app counts, for Prometheus.

In:  what happened.
Out: the text of /metrics; with several workers, the sum over all of them.

Labels are a fixed few: no path, name or address of a caller ever becomes one.
"""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where workers share their counts; set by `run`
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one app."""

    def __init__(self) -> None:
        self._shared = os.environ.get(SHARED)
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "waymark_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "waymark_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._photos = Counter(
            "waymark_photos", "Photos answered.", ("outcome",), registry=registry
        )
        self._photo_seconds = Histogram(
            "waymark_photo_seconds",
            "From a photo's arrival to its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._batches = Histogram(
            "waymark_batch_photos",
            "Photos that went through the network together.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=registry,
        )
        self._busy = Counter(
            "waymark_busy", "Requests turned away.", ("reason",), registry=registry
        )
        self._running = Gauge(
            "waymark_requests_running",
            "Requests in work.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def begin(self) -> None:
        """Note that a request has begun."""
        self._running.inc()

    def end(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note that a request has ended."""
        self._running.dec()
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def photo(self, outcome: str, seconds: float) -> None:
        """Note that a photo was answered: `known`, `unknown` or `unreadable`."""
        self._photos.labels(outcome).inc()
        self._photo_seconds.observe(seconds)

    def batch(self, photos: int) -> None:
        """Note a run of the network."""
        self._batches.observe(photos)

    def busy(self, reason: str) -> None:
        """Note a request turned away: for `queue`, `memory` or `time`."""
        self._busy.labels(reason).inc()

    def text(self) -> bytes:
        """Return all counts as Prometheus reads them."""
        if self._shared is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._shared)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
