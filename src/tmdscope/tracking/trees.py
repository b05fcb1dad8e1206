"""Trees of a loaded estimator: scikit-learn follows their indices into memory without looking."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

_LEAF = -1


def check_trees(estimator: Any) -> None:
    """See that every tree in an estimator leads from its root to leaves, by inputs that there are.

    `ValueError` where a node leads outside its tree or back, or asks for an input that its owner has not.
    """
    for tree, inputs in _trees(estimator, 0):
        problem = _problem(tree, inputs)
        if problem:
            raise ValueError(f"a tree of it {problem}")


def _trees(one: Any, inputs: int) -> Iterator[tuple[Any, int]]:
    """Find trees, of forests and of boosting, each with the number of inputs that its owner lets through."""
    if hasattr(one, "children_left") or hasattr(one, "raw_left_cat_bitsets"):
        yield one, inputs
    elif isinstance(one, Mapping):
        for held in one.values():
            yield from _trees(held, inputs)
    elif isinstance(one, list | tuple) or (isinstance(one, np.ndarray) and one.dtype == object):
        for held in one:
            yield from _trees(held, inputs)
    elif hasattr(one, "__dict__"):
        if getattr(one, "_preprocessor", None) is not None:
            raise ValueError("it changes inputs before its trees see them, as no model of ours does")
        yield from _trees(vars(one), int(getattr(one, "n_features_in_", 0)))


def _problem(tree: Any, inputs: int) -> str:
    """Say what is wrong with a tree."""
    if hasattr(tree, "nodes"):
        nodes = tree.nodes
        if nodes["is_categorical"].any():
            return "asks for classes, as none of ours does"
        inner, count = nodes["is_leaf"] == 0, len(nodes)
        children, asked = np.stack([nodes["left"], nodes["right"]]), nodes["feature_idx"]
    else:
        count = tree.node_count
        if not 0 < count <= tree.capacity:
            return f"says that it has {count} nodes, and holds {tree.capacity}"
        children, asked = np.stack([tree.children_left, tree.children_right]), tree.feature
        inner = children[0] != _LEAF
    parents, children, asked = np.flatnonzero(inner), children[:, inner].astype(np.int64), asked[inner]
    if not count:
        return "has no nodes"
    if ((children <= parents) | (children >= count)).any():  # each is written after its parent
        return f"leads to a node that is none of its {count}, or back"
    if ((asked < 0) | (asked >= inputs)).any():
        return f"asks for an input beyond the {inputs} that there are"
    return ""
