"""The network at work: one thread a core, images of several requests in one batch."""

import asyncio
import os
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tmdscope.lifecycle.predict import as_record
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.vision.classifier import Ensemble
from tmdscope.vision.features import best_device

BATCH = 16
"""Images that are computed at once; a request of more takes turns with the others after each."""

_OF_FILES = ("file", "scale", "channel", "warnings")
"""What a prediction says of a file, which a request does not bring."""

_Piece = tuple[NDArray[np.uint8], "Future[NDArray[Any]]"]


class Scorer:
    """Computes class probabilities for many at once.

    Every thread computes by itself on one core, and takes its share of the images that wait, up to `BATCH`. A
    GPU has one thread. The ensemble is moved to where it computes.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self._device = best_device()
        self._ensemble = ensemble.to(self._device).to(memory_format=torch.channels_last).eval()
        self._waiting: deque[_Piece] = deque()
        self._changed = threading.Condition()
        self._closed = False
        workers = len(os.sched_getaffinity(0)) if self._device.type == "cpu" else 1
        torch.set_num_threads(1)
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for worker in self._workers:
            worker.start()

    async def score(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Give what is computed, N x ..., of a request's images, uint8, N x S x S, N at least 1.

        Whoever is cancelled meanwhile leaves at most a batch for each thread behind.
        """
        gate = asyncio.Semaphore(len(self._workers))

        async def _one(piece: NDArray[np.uint8]) -> NDArray[Any]:
            future: Future[NDArray[Any]] = Future()
            async with gate:
                with self._changed:
                    self._waiting.append((piece, future))
                    self._changed.notify()
                return await asyncio.wrap_future(future)

        pieces = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        return np.concatenate(await asyncio.gather(*map(_one, pieces)))

    def close(self) -> None:
        """End the threads after what they are at."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        while pieces := self._take():
            try:
                given = self._compute(np.concatenate([images for images, _ in pieces]))
            except Exception as error:
                for _, future in pieces:
                    future.set_exception(error)
                continue
            ends = np.cumsum([len(images) for images, _ in pieces])[:-1]
            for (_, future), part in zip(pieces, np.split(given, ends), strict=True):
                future.set_result(part)

    def _take(self) -> list[_Piece]:
        """Take a thread's share of what waits, up to a batch; nothing once it is closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                pieces: list[_Piece] = []
                share = -(-sum(len(images) for images, _ in self._waiting) // len(self._workers))
                room = min(BATCH, share)
                while self._waiting and not self._closed and (not pieces or room >= len(self._waiting[0][0])):
                    piece = self._waiting.popleft()
                    if piece[1].set_running_or_notify_cancel():
                        pieces.append(piece)
                        room -= len(piece[0])
                if pieces or self._closed:
                    return pieces

    @torch.inference_mode()
    def _compute(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Give the class probabilities, float32, N x K."""
        found: NDArray[Any] = self._ensemble(torch.from_numpy(images).to(self._device)).cpu().numpy()
        return found


class Teller(Scorer):
    """Says all that `tmdscope predict` says of an image: a record (JSON-like) for each, shape (N,)."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        super().__init__(predictor.ensemble)

    def _compute(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        found: NDArray[Any] = np.empty(len(images), dtype=object)
        for place, one in enumerate(self._predictor.predict(images, [""] * len(images))):
            found[place] = {key: value for key, value in as_record(one).items() if key not in _OF_FILES}
        return found
