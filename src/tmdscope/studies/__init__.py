"""The studies, each declared once."""

from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from tmdscope.errors import UserError
from tmdscope.jobs.study import Study
from tmdscope.materials import nearest
from tmdscope.params.reading import read_params

NAMES = ("tmd_materials", "published_features", "growth_temperature", "property_transfer", "stem_defects")
"""Of the studies of this package; another one is a Python file that holds `STUDY`."""


def find_study(name: str) -> Study:
    """Find a study by its name, or in the Python file that declares it as `STUDY`."""
    if name in NAMES:
        study = import_module(f"{__name__}.{name}.study").STUDY
    elif name.endswith(".py"):
        path = Path(name)
        spec = spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise UserError(f"{name} does not exist; name a Python file that holds STUDY")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        study = getattr(module, "STUDY", None)
    else:
        raise UserError(f"unknown study {name!r}; {nearest(name, NAMES)}; or name a Python file")
    if not isinstance(study, Study):
        raise UserError(f"{name} holds no STUDY, a tmdscope.jobs.study.Study")
    return study


def study_of(settings: Path) -> Study:
    """Find the study of this package whose sections a file of settings has, in that file's project."""
    held = set(read_params(settings))
    known = map(find_study, NAMES)
    return max(known, key=lambda one: (len(held & set(one.params)), -len(one.params))).at(settings)
