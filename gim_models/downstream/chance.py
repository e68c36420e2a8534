"""Whether as many wrong matches would agree on a geometry by chance (a contrario, after Moisan and Stival 2004)."""

from __future__ import annotations

from scipy.stats import binom

_SAMPLES = 1e6  # more than the robust fit draws, since it refines the best ones
_RARE = 0.01  # expected samples that reach a number of inliers by chance


def likely(agreed: int, count: int, sample: int, luck: float) -> bool:
    """Whether matches that have nothing to do with each other would fit as well.

    The sample of a model fits by construction; any other wrong match fits with probability ``luck``. The best of many
    samples is meant, so a number of inliers counts only if no sample is likely to reach it.

    Args:
        agreed: inliers.
        count: matches.
        sample: matches that fix a model.
        luck: share of image 1 in which a match counts as an inlier.
    """
    expected = _SAMPLES * binom.sf(agreed - sample - 1, count - sample, min(1.0, luck))
    return bool(agreed <= sample or expected > _RARE)
