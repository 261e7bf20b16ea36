"""Means of repetitions, with the 99 % confidence intervals that NXC's papers give."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from enoslib_nxc.data import Data

CONFIDENCE = 0.99
"""Of the intervals, two-sided, as in the evaluation of NXC."""


class Mean(Data):
    """The mean of some values.

    Args:
        count: how many they are.
        mean: their mean, in their unit.
        margin: half the width of its confidence interval, likewise; None where one value
            gives none.
        smallest: the smallest of them.
        largest: the largest.
    """

    count: int
    mean: float
    margin: float | None
    smallest: float
    largest: float


def of(values: Sequence[float]) -> Mean:
    """Return the mean of some values, at least one, as of a sample of a normal distribution.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("there is no mean of nothing")
    margin = None
    if len(values) > 1:
        error = statistics.stdev(values) / math.sqrt(len(values))
        margin = quantile(len(values) - 1) * error
    return Mean(
        count=len(values),
        mean=statistics.fmean(values),
        margin=margin,
        smallest=min(values),
        largest=max(values),
    )


def quantile(freedom: int) -> float:
    """Return how many standard errors wide half the interval is: Student's t.

    Args:
        freedom: degrees of freedom, 1 or more.
    """
    low, high = 0.0, 64.0  # with one degree of freedom it is 63.66
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < CONFIDENCE else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """Return the probability that Student's t is between -t and t.

    The finite sums of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3
    and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= square * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
