"""Photos are run together, within the window, and each gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from waymark.serve.batching import Batcher

VIEWS = [np.full((1, 3, 2, 2), number, np.float32) for number in range(40)]


class Network:
    """Says which photo it was shown; can be held back."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.ks: list[int] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, views: Sequence[Any], k: int) -> list[Any]:
        self.go.wait(10)
        self.batches.append([int(one[0, 0, 0, 0]) for one in views])
        self.ks.append(k)
        return list(self.batches[-1])


def batcher(network: Any, pool: ThreadPoolExecutor, **options: Any) -> Batcher:
    """Return a batcher of one run at a time."""
    usual: dict[str, Any] = {"window_s": 60.0, "max_batch": 8, "at_once": 1}
    return Batcher(network, pool, **(usual | options))


def test_each_gets_its_own_answer_in_full_batches() -> None:
    """What came while the network was busy goes together, in order."""

    async def main() -> list[Any]:
        network.go.clear()
        made = batcher(network, pool)
        waiting = [made.put(views, 3) for views in VIEWS]
        network.go.set()
        return await asyncio.gather(*waiting)

    network = Network()
    with ThreadPoolExecutor(1) as pool:
        assert asyncio.run(main()) == list(range(40))
    assert [len(batch) for batch in network.batches] == [1, 8, 8, 8, 8, 7]
    assert [one for batch in network.batches for one in batch] == list(range(40))


def test_nobody_waits_alone() -> None:
    """With nothing on its way, a photo is run at once, however long the window."""

    async def main() -> Any:
        return await asyncio.wait_for(batcher(network, pool).put(VIEWS[7], 1), 5)

    network = Network()
    with ThreadPoolExecutor(1) as pool:
        assert asyncio.run(main()) == 7


def test_photos_wait_for_those_on_their_way() -> None:
    """A photo goes together with one that was being decoded when it came."""

    async def main() -> list[Any]:
        made = batcher(network, pool)
        made.on_the_way = 2
        first = made.put(VIEWS[0], 1)
        made.on_the_way = 1
        made.pump()
        await asyncio.sleep(0.02)
        assert not network.batches
        made.on_the_way = 0
        return await asyncio.gather(first, made.put(VIEWS[1], 4))

    network = Network()
    with ThreadPoolExecutor(1) as pool:
        assert asyncio.run(main()) == [0, 1]
    assert network.batches == [[0, 1]]
    assert network.ks == [4]


def test_the_window_ends() -> None:
    """What is on its way for too long is not waited for."""

    async def main() -> Any:
        made = batcher(network, pool, window_s=0.02)
        made.on_the_way = 1
        return await asyncio.wait_for(made.put(VIEWS[3], 1), 5)

    network = Network()
    with ThreadPoolExecutor(1) as pool:
        assert asyncio.run(main()) == 3


def test_a_window_of_0_runs_each_alone() -> None:
    """Nothing is batched then, even where it could be."""

    async def main() -> list[Any]:
        network.go.clear()
        made = batcher(network, pool, window_s=0)
        waiting = [made.put(views, 1) for views in VIEWS[:5]]
        network.go.set()
        return await asyncio.gather(*waiting)

    network = Network()
    with ThreadPoolExecutor(1) as pool:
        assert asyncio.run(main()) == list(range(5))
    assert [len(batch) for batch in network.batches] == [1] * 5


def test_an_error_reaches_its_batch_and_no_other() -> None:
    """The next photos are run all the same."""

    def network(views: Sequence[Any], k: int) -> list[Any]:
        if views[0][0, 0, 0, 0] == 0:
            raise ValueError("no")
        return [1 for _ in views]

    async def main() -> None:
        made = batcher(network, pool)
        with pytest.raises(ValueError, match="no"):
            await made.put(VIEWS[0], 1)
        assert await made.put(VIEWS[1], 1) == 1

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(main())


def test_who_gave_up_is_not_run() -> None:
    """A photo whose caller is gone costs the network nothing."""

    async def main() -> None:
        network.go.clear()
        made = batcher(network, pool)
        first, second, third = (made.put(views, 1) for views in VIEWS[:3])
        second.cancel()
        network.go.set()
        assert await asyncio.gather(first, third) == [0, 2]

    network = Network()
    with ThreadPoolExecutor(1) as pool:
        asyncio.run(main())
    assert network.batches == [[0], [2]]
