"""The service batches across callers, blocks nobody, and turns away what is too much."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from waymark.recognise.recogniser import Recogniser
from waymark.serve import decoding
from waymark.serve.decoding import Decoders
from waymark.serve.service import Busy, Service
from waymark.serve.settings import Settings


@pytest.fixture
def at_work(recogniser: Recogniser) -> Callable[..., Any]:
    """Return a context: a service with these settings."""

    @contextmanager
    def start(**settings: Any) -> Iterator[Service]:
        service = Service(recogniser, Settings(decoders=1, **settings))
        try:
            yield service
        finally:
            service.close()

    return start


def run(service: Service, work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine on a service that has started."""

    async def main() -> Any:
        await service.start()
        return await work()

    return asyncio.run(main())


def test_callers_share_runs_of_the_network(
    at_work: Callable[..., Any],
    recogniser: Recogniser,
    jpeg: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many callers with a photo each: fewer runs than photos, and each gets its own answer."""
    batches: list[int] = []
    real = Recogniser.answer_and_embed

    def noting(self: Recogniser, views: Any, k: int) -> Any:
        batches.append(len(views))
        time.sleep(0.02)  # a network that takes its time, as real ones do
        return real(self, views, k)

    monkeypatch.setattr(Recogniser, "answer_and_embed", noting)
    photos = [jpeg(seed) for seed in range(24)]
    with at_work(batch_window_ms=500) as service:

        async def all_at_once() -> list[Any]:
            return await asyncio.gather(
                *(service.predict([(str(i), data)], k=2) for i, data in enumerate(photos))
            )

        said = run(service, all_at_once)
    assert sum(batches) == len(photos)
    assert max(batches) > 1
    assert len(batches) < len(photos)
    assert max(batches) <= service.settings.max_batch
    for number, (answer,) in enumerate(said):
        best = recogniser.predict(photos[number], 1).predictions[0]
        assert answer["photo"] == str(number)
        assert answer["predictions"][0]["landmark"] == best.landmark
        assert answer["predictions"][0]["score"] == pytest.approx(best.score, abs=1e-5)


def test_the_event_loop_never_waits(
    at_work: Callable[..., Any], jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While decoding and the network take their time, the loop goes on turning."""
    decode, network = Decoders.decode, Recogniser.answer_and_embed
    threads: set[str] = set()

    def slow_decode(self: Decoders, *args: Any, **options: Any) -> Any:
        threads.add(threading.current_thread().name)
        time.sleep(0.3)
        return decode(self, *args, **options)

    def slow_network(self: Recogniser, *args: Any) -> Any:
        threads.add(threading.current_thread().name)
        time.sleep(0.3)
        return network(self, *args)

    monkeypatch.setattr(Decoders, "decode", slow_decode)
    monkeypatch.setattr(Recogniser, "answer_and_embed", slow_network)
    with at_work() as service:

        async def turning() -> int:
            asked = asyncio.ensure_future(service.predict([("", jpeg())], explain=True))
            turns = 0
            while not asked.done():
                await asyncio.sleep(0.01)
                turns += 1
            return turns

        assert run(service, turning) > 10
    assert threads
    assert all(name.startswith("waymark-") for name in threads)


def test_what_takes_too_long_is_given_up(
    at_work: Callable[..., Any], jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, and its place in the queue is free again."""
    monkeypatch.setattr(Decoders, "decode", lambda *_, **__: time.sleep(1.0))
    with at_work(timeout_s=0.1, decode_s=0.1) as service:

        async def asked() -> None:
            with pytest.raises(Busy) as raised:
                await service.predict([("", jpeg())])
            assert raised.value.seconds == 5

        run(service, asked)
        assert service._photos == 0
        assert service._batcher.on_the_way == 0


def test_a_full_queue_turns_the_next_away(
    at_work: Callable[..., Any], jpeg: Callable[..., bytes]
) -> None:
    """Those within the limit are all answered; nothing grows beyond it."""
    with at_work(queue=4) as service:

        async def many() -> list[Any]:
            return await asyncio.gather(
                *(service.predict([("", jpeg(i))]) for i in range(12)), return_exceptions=True
            )

        said = run(service, many)
        again = asyncio.run(service.predict([("", jpeg())]))
    assert sum(isinstance(one, list) for one in said) == 4
    assert sum(isinstance(one, Busy) for one in said) == 8
    assert again[0]["known"]


def test_after_closing_nothing_is_left(
    at_work: Callable[..., Any], jpeg: Callable[..., bytes]
) -> None:
    """No decoder, no thread, and it says that it is not ready."""
    before = threading.active_count()
    with at_work() as service:
        run(service, lambda: service.predict([("", jpeg())]))
        assert service.ready
    assert not service.ready
    assert service._decoders.pids == []
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_large_photos_hold_up_only_their_like(
    at_work: Callable[..., Any], jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for each other, and not in the threads that decode: small ones pass them."""
    real, ended = Decoders._ask, []

    def slow(self: Decoders, data: bytes, max_pixels: int, flags: int) -> Any:
        found = real(self, data, max_pixels, flags)
        if max_pixels > decoding.LIGHT:
            time.sleep(0.15)
        ended.append("large" if max_pixels > decoding.LIGHT else "small")
        return found

    monkeypatch.setattr(decoding, "LIGHT", 120 * 90)
    monkeypatch.setattr(Decoders, "_ask", slow)
    large = [("large", jpeg(seed, size=(300, 200))) for seed in range(6)]
    with at_work() as service:

        async def both() -> Any:
            first = asyncio.ensure_future(service.predict(large))
            await asyncio.sleep(0.05)
            second = await service.predict([("small", jpeg())])
            return await first + second

        found = run(service, both)
    assert [one["photo"] for one in found] == ["large"] * 6 + ["small"]
    assert not any("error" in one for one in found)
    assert ended.index("small") < 3
