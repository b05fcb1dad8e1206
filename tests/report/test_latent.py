"""The latent section says what its numbers say."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tests.report.numbers import RELATIONS, component_scores, correlations
from tmdscope.analysis.record import Latent, ModelLatent
from tmdscope.report.page import Figure, Section, Table
from tmdscope.report.sections.latent import LatentSpace

MATERIALS = ["MoS2", "WSe2"] * 20


def view(images: bool = True, **found: Any) -> LatentSpace:
    pictures = np.random.default_rng(1).integers(0, 256, (40, 16, 16), dtype=np.uint8)
    return LatentSpace(
        found=Latent.parse({**RELATIONS, **found}),
        points=component_scores(MATERIALS),
        table=correlations(),
        descriptors=pd.DataFrame({"grain_density": np.linspace(0, 1, 40)}),
        images=pictures if images else None,
        classes=["MoS2", "WSe2"],
        embedding="the embedding",
        before="frozen features",
        what="40 images",
    )


def captions(section: Section) -> list[str]:
    return [block.caption for block in section.blocks if isinstance(block, Figure)]


def test_a_row_says_what_was_found_of_a_descriptor() -> None:
    table = [block for block in view().section().blocks if isinstance(block, Table)][1]
    assert dict(zip(table.header, table.rows[0], strict=True)) == {
        "Descriptor": "grain density",
        "lowest r": "-0.250 (PC3)",
        "highest r": "0.480 (PC2)",
        "regression R": "0.610",
        "R, unseen samples": "0.520",
        "strongest r": "0.480 [0.400, 0.550] (PC2)",
        "its component carries": "15.00 %",
        "components found": "2",
        "variance shared": "4.0 %",
        "images": "8",
    }
    assert "false discovery rate of 0.05" in table.caption
    assert "(2 folds)" in table.caption


def test_separation_has_intervals_and_the_majority_beside() -> None:
    table = next(block for block in view().section().blocks if isinstance(block, Table))
    assert table.header[-2:] == ["Mo or W", "label"]
    assert table.rows[0] == ["PC1 and PC2, before fine-tuning", "0.25", "-", *["80.0 [70.0, 90.0] (50)"] * 2]
    assert len(table.rows) == 4


def test_every_figure_of_the_paper_is_there_with_images_and_without() -> None:
    whole = captions(view().section())
    assert len(whole) == 6
    assert "quarter of PC2" in whole[-1]
    assert len(captions(view(images=False).section())) == 4
    assert len(captions(replace(view(), descriptors=None).section())) == 4


def test_quarters_are_those_of_the_component() -> None:
    points = component_scores(MATERIALS)
    points["PC2"] = np.arange(40.0)
    caption = captions(replace(view(), points=points).section())[-1]
    # Mean of the lowest and of the highest ten of 40 values from 0 to 1.
    assert f"grain density {4.5 / 39:.3g} and {34.5 / 39:.3g}" in caption


def test_a_study_without_descriptors_says_so() -> None:
    section = view(descriptors="not at hand", regression_cosine="not at hand").section()
    assert len(captions(section)) == 2
    assert "Descriptors: not at hand." in repr(section.blocks[-1])
    assert not any("nothing" in caption for caption in captions(view(descriptors={}).section()))


def test_metrics_are_numbers_only() -> None:
    model = {"name": "m", "version": 3, "alias": "best", "fold": 1, "experiment": "x", "after_relu": False}
    own = {"model": model, "before": {"architecture": "resnet18", "weights": "none"}}
    found = ModelLatent.parse({**RELATIONS, **own})
    kept = ("explained_variance", "cumulative_explained_variance_3", "descriptors", "regression_cosine")
    numbers = json.loads(json.dumps(replace(view(), found=found).metrics()))
    assert numbers == {"latent": {key: RELATIONS[key] for key in (*kept, "separation")}}


def test_flaws_that_are_not_told_surely_are_no_headline() -> None:
    known = RELATIONS["descriptors"]["grain_density"]
    surer = {**known, "strongest": {**known["strongest"], "r": 0.99}}
    found = view(descriptors={"grain_density": known, "pinhole_density_per_um2": surer})
    claim = found.claim()
    assert claim is not None
    assert "grain density" in claim.sentence
    assert "Of 1 measured descriptors grain density" in found.sentences()[0]


def test_how_well_descriptors_are_known_is_a_table_where_there_are_intervals() -> None:
    def tables(table: pd.DataFrame) -> list[Table]:
        blocks = replace(view(), descriptors=table).section().blocks
        return [block for block in blocks if isinstance(block, Table) and "How well" in block.caption]

    measured = pd.DataFrame({"grain_density": np.linspace(0, 1, 40), "coverage": np.linspace(0, 1, 40)})
    assert tables(measured) == []
    bounds = {"coverage_low": measured["coverage"] - 0.1, "coverage_high": measured["coverage"] + 0.15}
    (table,) = tables(measured.assign(**bounds))
    assert table.rows == [["coverage", "0.5", "0.25", "0.9", "1", "40"]]
    (table,) = tables(measured.assign(**bounds).assign(coverage_low=[np.nan] * 39 + [0.9]))
    assert table.rows == [["coverage", "0.5", "0.25", "0.9", "1", "1"]]
