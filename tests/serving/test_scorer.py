import asyncio
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from tests.tracking.programs import IMAGES, make_program
from tmdscope.serving.scorer import BATCH, Scorer


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Await something in a thread of its own: a browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_requests_that_share_batches_get_their_own_answers(scorer: Scorer) -> None:
    rng = np.random.default_rng(2)
    asked = [rng.integers(0, 256, (count, 32, 32), dtype=np.uint8) for count in (1, 3, 2 * BATCH + 1, 1, 5)]

    async def ask() -> list[np.ndarray]:
        return await asyncio.gather(*(scorer.score(images) for images in asked))

    ensemble = make_program(members=2).ensemble
    for images, given in zip(asked, run(ask()), strict=True):
        with torch.inference_mode():
            np.testing.assert_allclose(given, ensemble(torch.from_numpy(images)).numpy(), atol=1e-5)


def test_an_error_reaches_who_asked_and_the_next_is_answered(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_images: np.ndarray) -> np.ndarray:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(scorer, "_compute", fail)
        with pytest.raises(RuntimeError, match="broken"):
            run(scorer.score(IMAGES))
    assert len(run(scorer.score(IMAGES))) == len(IMAGES)


def test_what_nobody_waits_for_is_not_computed(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    def slow(images: np.ndarray) -> np.ndarray:
        computed.append(len(images))
        time.sleep(0.1)
        return np.zeros((len(images), 3), np.float32)

    monkeypatch.setattr(scorer, "_compute", slow)

    async def give_up() -> None:
        async with asyncio.timeout(0.05):
            await scorer.score(np.zeros((40 * BATCH, 32, 32), np.uint8))

    with pytest.raises(TimeoutError):
        run(give_up())
    run(scorer.score(IMAGES))
    assert sum(computed) < 20 * BATCH
