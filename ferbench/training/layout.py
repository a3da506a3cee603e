"""Features of samples in two dimensions: scikit-learn's principal components and t-SNE."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError

Method = Literal["tsne", "pca"]

#: Samples that a map can be made of.
_LEAST = 4
#: Principal components that t-SNE is given, as its authors do, and neighbours that it keeps together.
_COMPONENTS, _PERPLEXITY = 50, 30.0


def layout(features: NDArray[np.float32], method: Method, seed: int) -> NDArray[np.float64]:
    """Where samples stand on a map.

    ``pca`` is a projection: distances are those of the features, as far as two directions show them. ``tsne`` (van der
    Maaten and Hinton 2008) keeps neighbours together, begins from the projection and says little of distances between
    groups.

    Args:
        features: float32[n, D].
        method: of the two.
        seed: of what is random.

    Returns:
        float64[n, 2].

    Raises:
        UserError: there are fewer than four samples, or two numbers of each.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n, width = features.shape
    if n < _LEAST or width < 2:
        raise UserError(f"{n} samples of {width} features make no map", f"give {_LEAST} samples and 2 features")
    exact = features.astype(np.float64)
    if method == "pca":
        return PCA(2, random_state=seed).fit_transform(exact)
    if min(n, width) > _COMPONENTS:
        exact = PCA(_COMPONENTS, random_state=seed).fit_transform(exact)
    perplexity = min(_PERPLEXITY, (n - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(exact).astype(np.float64)
