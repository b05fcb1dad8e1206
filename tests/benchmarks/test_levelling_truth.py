"""On simulated islands layers keep their height and roughness; the chain of before loses both."""

from benchmarks.levelling_truth import COVERAGES, compare

from tmdscope.scan.level_error import CHAINS, IDEAL


def test_layers_are_kept_by_the_chain_for_them_and_lost_by_the_simple_one() -> None:
    lines = list(compare(surfaces=1, size_px=96))
    assert [(line["coverage"], line["chain"]) for line in lines] == [
        (coverage, chain) for coverage in COVERAGES for chain in (*CHAINS, IDEAL)
    ]
    at = {(line["chain"], line["coverage"]): line for line in lines}
    assert abs(at["layered", 0.5]["step_median"]) < 0.15
    assert abs(at["layered", 0.5]["roughness_median"]) < 0.05
    assert at["simple", 0.5]["step_median"] < -0.15
    assert at[IDEAL, 0.5]["roughness_worst"] == 0
