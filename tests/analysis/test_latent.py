"""The whole analysis in the words of a metrics file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tmdscope.analysis.latent import LatentData, analyse
from tmdscope.analysis.record import Latent
from tmdscope.errors import UserError
from tmdscope.params.common import LatentAnalysisParams, ScoringParams
from tmdscope.record import write_record

SETTINGS = LatentAnalysisParams(components=3, folds=3, false_discovery_rate=0.05)
SCORING = ScoringParams(bootstrap=200, seed=1)
IMAGES = 80


def data(descriptors: bool = True) -> LatentData:
    rng = np.random.default_rng(1)
    materials = ["MoS2", "WSe2"] * (IMAGES // 2)
    embeddings = pd.DataFrame(rng.normal(size=(IMAGES, 6)) * [9, 5, 3, 1, 1, 1])
    embeddings[0] += np.where(np.array(materials) == "MoS2", 60.0, 0.0)
    table = pd.DataFrame({"like": embeddings[1], "noise": rng.normal(size=IMAGES), "flat": 1.0})
    return LatentData(
        embeddings=embeddings,
        before=pd.DataFrame(rng.normal(size=(IMAGES, 12))),
        descriptors=table if descriptors else "not at hand",
        materials=materials,
        sample_ids=[f"{k // 4}" for k in range(IMAGES)],
        held_out=np.arange(IMAGES) < 16,
    )


def test_the_summary_is_plain_and_whole() -> None:
    summary = analyse(data(), SETTINGS, SCORING).summary
    content = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert Latent.parse(content) == summary
    assert content["settings"] == {"components": 3, "folds": 3, "false_discovery_rate": 0.05}
    assert content["cumulative_explained_variance_3"] == pytest.approx(
        sum(summary.explained_variance.values())
    )
    assert summary.left_out == {"flat": "the same for all images"}
    like, noise = (summary.described[name] for name in ("like", "noise"))
    assert like.strongest.component == 2
    assert abs(like.strongest.r) > 0.95
    assert like.strongest.variance == summary.explained_variance["PC2"]
    assert (like.discoveries, noise.discoveries) == (1, 0)
    assert like.regression_r_cv > 0.9 > noise.regression_r_cv
    assert content["regression_cosine"]["like"]["noise"] == content["regression_cosine"]["noise"]["like"]
    trained, before = (
        summary.separation[space]["plane"].linear["label"].test.mean for space in ("trained", "before")
    )
    assert trained is not None
    assert before is not None
    assert trained > 0.9 > before
    assert set(summary.lines) == {"trained", "before"}


def test_a_record_of_another_version_or_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latent.json"
    found = analyse(data(), SETTINGS, SCORING).summary
    found.write(path, {})
    assert Latent.read(path) == found
    for changes, told in (({"version": 2}, "of version 2, .* reads version 1"), ({"lines": 3}, "lines")):
        write_record(path, {**found.to_dict(), **changes}, {})
        with pytest.raises(UserError, match=f"latent.json is .*{told}"):
            Latent.read(path)


def test_the_table_holds_every_correlation() -> None:
    found = analyse(data(), SETTINGS, SCORING)
    assert len(found.table) == 2 * 3
    like = found.table[found.table["descriptor"] == "like"]
    assert like["component"].tolist() == [1, 2, 3]
    assert (like["low"] <= like["r"]).all()
    assert (like["r"] <= like["high"]).all()
    assert (like["cosine"] ** 2).sum() == pytest.approx(1)
    assert list(found.scores.columns) == ["PC1", "PC2", "PC3", "before_PC1", "before_PC2"]


def test_a_study_without_descriptors_still_has_components() -> None:
    found = analyse(data(descriptors=False), SETTINGS, SCORING)
    assert found.summary.descriptors == found.summary.regression_cosine == "not at hand"
    assert found.table.empty
    apart = found.summary.separation["trained"]["components"].silhouette.all
    assert apart is not None
    assert apart > 0
