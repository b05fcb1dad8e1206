"""The curve of cost against size is drawn from its lines; features are drawn alike however many at a time."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import scale


def test_every_verb_is_in_the_figure_and_the_same_lines_give_the_same(tmp_path: Path) -> None:
    lines = [
        {"images": images, "verb": verb, "cpu_s_per_1000": 2.0, "own_mb": 100}
        for images in (10, 100)
        for verb in ("split", "audit")
    ]
    path, drawn = tmp_path / "scale.jsonl", []
    path.write_text("\n".join(map(json.dumps, lines)))
    for _ in range(2):
        scale.draw(path)
        drawn.append(path.with_suffix(".svg").read_text(encoding="utf-8"))
    assert drawn[0] == drawn[1]
    assert all(f">{word}<" in drawn[0] for word in ("split", "audit", "images"))


def test_features_are_the_same_however_many_are_drawn_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.arange(10) % 5
    whole = np.stack([*scale._features(labels)])
    monkeypatch.setattr(scale, "_CHUNK", 3)
    np.testing.assert_array_equal(np.stack([*scale._features(labels)]), whole)
    assert whole.shape == (10, 1, scale.WIDTH)
