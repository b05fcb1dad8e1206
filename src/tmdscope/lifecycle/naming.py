"""A registered network that names the defects of a movie by the windows around them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.errors import UserError
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.stem.crystal import PRISTINE, Crystal
from tmdscope.stem.intensity import UNKNOWN
from tmdscope.stem.windows import SIZE
from tmdscope.tracking.models import load_program
from tmdscope.tracking.predictions import resolve_model
from tmdscope.tracking.registry import PRODUCTION, pull_alias
from tmdscope.tracking.store import connect


@dataclass(frozen=True)
class Namer:
    """A loaded network; `title` is its name and version."""

    title: str
    predictor: Predictor

    @classmethod
    def load(cls, model: str, crystal: Crystal, sha256: str | None = None) -> Self:
        """Load a model that tells the defects of a crystal apart; `UserError` where it is another.

        A bare version or alias is of the crystal's own model.
        """
        found = resolve_model(connect(), model, own_model(crystal))
        if found.uri is None:
            raise UserError(f"{found.title} has no model; name a registered version, see `tmdscope models`")
        program = load_program(found.uri, sha256)
        wanted, config = (*crystal.names, PRISTINE), program.config
        if (config.classes, config.size_px) != (wanted, SIZE):
            told = f"{', '.join(config.classes)} in images of {config.size_px} px"
            raise UserError(
                f"{found.title} tells apart {told}, not the defects of {crystal.name} ({', '.join(wanted)}) "
                f"in windows of {SIZE} px: name another, as models:/{own_model(crystal)}@production"
            )
        return cls(found.title, Predictor(program, found.title))

    def __call__(self, windows: NDArray[np.uint8]) -> pd.DataFrame:
        """Give ``label`` and calibrated ``p_KIND`` of each window; unfamiliar ones are unknown."""
        names, found = self.predictor.config.classes, self.predictor.assess(windows)
        label = np.array(names, dtype=object)[found.calibrated.argmax(axis=1)]
        label[found.unfamiliar | ~found.sets.any(axis=1)] = UNKNOWN
        columns = {f"p_{name}": found.calibrated[:, k] for k, name in enumerate(names)}
        return pd.DataFrame({"label": label, **columns})

    def defect(self, windows: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Give the calibrated chance that a defect is in the middle of each window."""
        place = self.predictor.config.classes.index(PRISTINE)
        return 1 - self.predictor.assess(windows).calibrated[:, place]


def own_model(crystal: Crystal) -> str:
    """Name the registered model of a crystal's defects."""
    return f"{crystal.name.lower()}-defect-classifier"


def load_namer(model: str | None, crystal: Crystal, sha256: str | None = None) -> tuple[Namer | None, str]:
    """Load a model, or the crystal's in production, and give its title; if there is none, say why."""
    if model is None:
        try:
            pull_alias(connect(), own_model(crystal), PRODUCTION)
        except UserError as error:
            return None, f"no {own_model(crystal)} in production: {error}"
    namer = Namer.load(model or PRODUCTION, crystal, sha256)
    return namer, namer.title
