"""Principal components carry the variance of the embedding."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.analysis.components import principal_components
from tmdscope.errors import UserError


def _embeddings(seed=0):
    spread = np.array([20.0, 9.0, 4.0, 2.0, 1.0, 0.5])
    return pd.DataFrame(np.random.default_rng(seed).normal(3.0, 1.0, (60, 6)) * spread)


@given(st.integers(0, 2**32 - 1))
def test_components_carry_the_variance_of_the_centred_embedding(seed):
    embeddings = _embeddings(seed)
    pca = principal_components(embeddings, 4)
    spectrum = np.linalg.eigvalsh(np.cov(embeddings.to_numpy().T))[::-1]
    np.testing.assert_allclose(pca.explained_variance, spectrum[:4] / spectrum.sum(), rtol=1e-8)
    np.testing.assert_allclose(pca.scores.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(pca.scores.var(), spectrum[:4], rtol=1e-8)
    assert pca.cumulative_explained_variance[-1] == pytest.approx(pca.explained_variance.sum())


@pytest.mark.parametrize("components", [0, 7])
def test_impossible_number_of_components_names_the_possible_ones(components):
    with pytest.raises(UserError, match=r"1\.\.6"):
        principal_components(_embeddings(), components)
