"""Whoever misspells a study or a stage is told which there are."""

import pytest

from tmdscope.errors import UserError
from tmdscope.studies import __main__ as command


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "unknown study ''; known: tmd_materials, published_features"),
        (("tmd_material", "report"), "did you mean 'tmd_materials'"),
        (("tmd_materials",), "is called ''; known: attribution, audit, .*split, check, report"),
        (("tmd_materials", "reprot"), "is called 'reprot'; did you mean 'report'"),
        (("published_features", "ingest"), "known: carryover, fetch, latent, sequential, audit"),
        (("published_features", "add_material"), "'add_material'; known:"),
        (("published_features", "../split"), "no stage of study published_features"),
    ],
)
def test_what_is_unknown_is_told_with_what_is_known(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.setattr("sys.argv", ["tmdscope.studies", *words])
    with pytest.raises(UserError, match=message):
        command.main()
