"""The classes of defects along tracks as a hidden Markov model: flicker is taken out, changes are counted.

What a defect is called in one frame is uncertain, and the likeliest name of each frame changes far more often
than the defect does. The model sees the chances of all classes in every frame (Rabiner 1989,
doi:10.1109/5.18626).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from tmdscope.scores.bootstrap import small_sample
from tmdscope.stem.rates import Transitions, Values
from tmdscope.stem.tracks import TRACK

_ROUNDS, _DONE = 60, 1e-5
_ROUNDS_AGAIN = 15
"""When it is fitted to other tracks, from what the first fit found."""
_PRIOR = 1e-3
"""Transitions of every kind that are counted beforehand, so that none is impossible."""
_TEMPERATURES = tuple(np.geomspace(0.05, 1.0, 13).tolist())
"""Of chances: below 1 they are surer."""
_AT_ONCE = 20
"""Fits that are computed together, so that they need no more memory than these."""


@dataclass(frozen=True)
class Histories:
    """Tracks with ``smoothed``, the likeliest class of each row in the likeliest history of its track.

    `chance` is how likely each class follows each, (K, K), `expected` how often each track is expected to
    show it, (tracks, K, K), and `chains` what is seen of the tracks, for other fits.
    """

    tracks: pd.DataFrame
    classes: tuple[str, ...]
    chance: Values
    expected: Values
    chains: "_Chains"

    def transitions(self, refits: int, seed: int) -> Transitions:
        """Give the chance of each transition from frame to frame, with intervals over tracks.

        These are as many standard deviations of fits to tracks drawn with replacement as so few tracks ask.
        """
        rng, tracks = np.random.default_rng(seed), len(self.expected)
        bounds = np.full((2, *self.chance.shape), np.nan)
        if tracks > 1:
            drawn = rng.multinomial(tracks, np.full(tracks, 1 / tracks), refits)
            fits = [self._again(weight) for weight in np.array_split(drawn, -(-refits // _AT_ONCE))]
            spread = small_sample(tracks) * np.std(np.concatenate(fits), axis=0)
            bounds = np.stack([self.chance - spread, self.chance + spread]).clip(0, 1)
        return Transitions(self.classes, self.chance, bounds, self.expected.sum(axis=0))

    def _again(self, weight: NDArray[np.int64]) -> Values:
        start = np.repeat(self.chance[None], len(weight), axis=0)
        return self.chains.fit(start, weight, _ROUNDS_AGAIN)[0]


def fit_histories(tracks: pd.DataFrame, classes: Sequence[str], stay: float = 0.9) -> Histories:
    """Fit the model to tracks that hold the chance of each class, ``p_CLASS``; two classes or more.

    How often classes follow one another is learnt from all tracks (Baum & Welch, from `stay` on the
    diagonal); then each track's likeliest history is Viterbi's. In a missed frame nothing is seen.
    """
    size = len(classes)
    ordered = tracks.sort_values([TRACK, "frame"], ignore_index=True)
    seen = ordered[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64).clip(1e-6)
    chains = _Chains.of(ordered[TRACK].to_numpy(), ordered["frame"].to_numpy(), seen)
    chance = np.full((size, size), (1 - stay) / (size - 1))
    np.fill_diagonal(chance, stay)
    chance, expected = chains.fit(chance, np.ones(len(chains.length)), _ROUNDS)
    states = chains.likeliest(chance)
    named = ordered.assign(smoothed=np.array(classes, dtype=object)[states])
    return Histories(named, tuple(classes), chance, expected, chains)


def sharpened(tracks: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Bring chances that were calibrated over many conditions to those of one movie, which are surer.

    Their temperature is the one with which each frame foretells best what the same defect is called in the
    next; that this is wrong at times, and that defects change, leaves them a little less sure than they are.
    """
    columns = [f"p_{name}" for name in classes]
    ordered = tracks.sort_values([TRACK, "frame"], ignore_index=True)
    track, frame = (ordered[name].to_numpy() for name in (TRACK, "frame"))
    first = np.flatnonzero((np.diff(track) == 0) & (np.diff(frame) == 1))
    logs = np.log(ordered[columns].to_numpy(dtype=np.float64).clip(1e-6))
    if not len(first):
        return ordered
    said = logs[first + 1].argmax(axis=1)[:, None]
    foretold = [
        np.take_along_axis(log_softmax(logs[first] / t, axis=1), said, axis=1).mean() for t in _TEMPERATURES
    ]
    ordered[columns] = softmax(logs / _TEMPERATURES[int(np.argmax(foretold))], axis=1)
    return ordered


@dataclass(frozen=True)
class _Chains:
    """What is seen of every track, frame after frame, even chances where it was missed.

    `seen` holds one after the other, (frames of all, K), `length` how many frames each has, `rows` which of
    them were rows of the table.
    """

    seen: Values
    length: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, track: NDArray[np.int64], frame: NDArray[np.int64], seen: Values) -> "_Chains":
        """Take rows in order of track and frame."""
        _, first, which = np.unique(track, return_index=True, return_inverse=True)
        within = (frame - frame[first][which]).astype(np.int64)
        length = np.zeros(len(first), dtype=np.int64)
        np.maximum.at(length, which, within + 1)
        rows = np.concatenate([[0], np.cumsum(length)])[which] + within
        filled = np.ones((int(length.sum()), seen.shape[1]))
        filled[rows] = seen
        return cls(filled, length, rows)

    def fit(self, chance: Values, weight: NDArray[Any], rounds: int) -> tuple[Values, Values]:
        """Learn the chances of transitions, (..., K, K), from tracks of some weights, (..., tracks).

        Gives also how often each track is expected to show each, (..., tracks, K, K).
        """
        for _ in range(rounds):
            expected = self._expected(chance)
            counts = np.einsum("...t,...tij->...ij", weight, expected) + _PRIOR
            new = counts / counts.sum(axis=-1, keepdims=True)
            done, chance = np.abs(new - chance).max(initial=0) < _DONE, new
            if done:
                break
        return chance, expected

    def _blocks(self) -> "list[tuple[NDArray[np.int64], Values]]":
        """Put tracks of about the same length together: which they are, and (tracks, frames, K)."""
        starts = np.concatenate([[0], np.cumsum(self.length)])[:-1]
        octave = np.ceil(np.log2(np.maximum(self.length, 1))).astype(np.int64)
        blocks = []
        for own in (np.flatnonzero(octave == k) for k in np.unique(octave)):
            at = starts[own][:, None] + np.arange(self.length[own].max())
            beyond = np.arange(at.shape[1]) >= self.length[own][:, None]
            block = self.seen[np.minimum(at, len(self.seen) - 1)]
            block[beyond] = 1.0
            blocks.append((own, block))
        return blocks

    def _expected(self, chance: Values) -> Values:
        """Count the transitions that each track is expected to hold: forward and backward."""
        found = np.zeros((*chance.shape[:-2], len(self.length), *chance.shape[-2:]))
        for own, block in self._blocks():
            steps, last = block.shape[1] - 1, self.length[own] - 1
            forward = [np.broadcast_to(_even(block[:, 0]), (*chance.shape[:-2], *block[:, 0].shape))]
            for step in range(1, steps):
                forward.append(_even((forward[-1] @ chance) * block[:, step]))
            backward = np.ones(block[:, 0].shape)
            for step in range(steps - 1, -1, -1):
                after = block[:, step + 1] * backward
                both = forward[step][..., :, None] * chance[..., None, :, :] * after[..., None, :]
                both *= (step < last)[:, None, None] / both.sum(axis=(-2, -1), keepdims=True)
                found[..., own, :, :] += both
                backward = _even(after @ np.swapaxes(chance, -1, -2))
        return found

    def likeliest(self, chance: Values) -> NDArray[np.int64]:
        """Find the likeliest history of each track, as the classes of the table's rows."""
        steps, states = np.log(chance), np.empty(len(self.seen), dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(self.length)])[:-1]
        for own, block in self._blocks():
            seen = np.log(block)
            best, came = seen[:, 0], np.zeros(block.shape, dtype=np.int64)
            for step in range(1, block.shape[1]):
                each = best[:, :, None] + steps
                came[:, step] = each.argmax(axis=1)
                best = each.max(axis=1) + seen[:, step]
            state, tracks = best.argmax(axis=1), np.arange(len(own))
            for step in range(block.shape[1] - 1, -1, -1):
                there = step < self.length[own]
                states[(starts[own] + step)[there]] = state[there]
                state = came[tracks, step, state]
        return states[self.rows]


def _even(values: Values) -> Values:
    return np.asarray(values / values.sum(axis=-1, keepdims=True))
