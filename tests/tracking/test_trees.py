"""Trees of a model's file that lead out of their memory are refused before they are asked anything."""

from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor

pytest.importorskip("elementembeddings")

from tests.tracking.formulae import COMPOUNDS, gaps, log_model, make_pipeline
from tests.tracking.test_estimators import folder_of
from tmdscope.composition import CompositionFeatures
from tmdscope.errors import UserError
from tmdscope.tracking.estimators import load_estimator
from tmdscope.tracking.models import hash_files
from tmdscope.tracking.registry import FILES_SHA256
from tmdscope.tracking.store import Store
from tmdscope.tracking.trees import check_trees


def changed(tree: Any, field: str, value: int, row: int = 0) -> Any:
    """Make a tree anew with one number of one node changed, or of the tree itself."""
    kind, arguments, state = tree.__reduce__()
    state["nodes"] = state["nodes"].copy()
    if field in state:
        state[field] = value
    else:
        state["nodes"][field][row] = value
    made = kind(*arguments)
    made.__setstate__(state)
    return made


@pytest.fixture
def pipeline() -> Any:
    return make_pipeline()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("left_child", 10**6, "leads to a node that is none of its"),
        ("right_child", -2, "leads to a node that is none of its"),
        ("right_child", 0, "or back"),
        ("feature", 10**6, "asks for an input beyond"),
        ("feature", -5, "asks for an input beyond"),
        ("node_count", 0, "says that it has 0 nodes"),
    ],
)
def test_a_forest_is_checked(pipeline: Any, field: str, value: int, told: str) -> None:
    check_trees(pipeline)
    first = pipeline[-1].model_.estimators_[3]
    first.tree_ = changed(first.tree_, field, value)
    with pytest.raises(ValueError, match=told):
        check_trees(pipeline)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("left", 10**6, "leads to a node that is none of its"),
        ("right", 0, "or back"),
        ("feature_idx", 10**6, "asks for an input beyond"),
        ("is_categorical", 1, "asks for classes"),
    ],
)
def test_boosting_is_checked(field: str, value: int, told: str) -> None:
    rows = CompositionFeatures().fit_transform(COMPOUNDS)
    model = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=2).fit(rows, gaps())
    check_trees({"one": [model]})
    ((tree,), *_) = model._predictors  # no public name
    tree.nodes[field][0] = value
    with pytest.raises(ValueError, match=told):
        check_trees(model)
    tree.nodes = tree.nodes[:0]
    with pytest.raises(ValueError, match="has no nodes"):
        check_trees(model)


def test_a_tree_may_not_ask_for_more_than_its_owner_lets_through(pipeline: Any) -> None:
    first = pipeline[-1].model_.estimators_[0]
    inner = np.flatnonzero(first.tree_.children_left != -1)[-1]
    first.tree_ = changed(first.tree_, "feature", first.n_features_in_, inner)
    with pytest.raises(ValueError, match="asks for an input beyond"):
        check_trees(pipeline)


def test_a_file_that_was_hashed_anew_is_refused(store: Store, pipeline: Any, tmp_path: Any) -> None:
    _, uri = log_model(store, tmp_path)
    folder = folder_of(uri)
    first = pipeline[-1].model_.estimators_[0]
    first.tree_ = changed(first.tree_, "left_child", 10**9)
    skops.io.dump(pipeline, folder / "model.skops")
    store.client.set_logged_model_tags(uri.removeprefix("models:/"), {FILES_SHA256: hash_files(folder)})
    with pytest.raises(UserError, match="a tree of it leads to a node"):
        load_estimator(uri)
