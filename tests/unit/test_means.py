"""Means with 99 % margins, against tables of Student's t."""

from __future__ import annotations

import pytest

from enoslib_nxc import means


# two-sided, 99 %: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm (0.995)
@pytest.mark.parametrize(
    ("freedom", "t"),
    [
        (1, 63.657),
        (2, 9.925),
        (3, 5.841),
        (4, 4.604),
        (5, 4.032),
        (9, 3.250),
        (10, 3.169),
        (19, 2.861),
        (30, 2.750),
        (99, 2.626),
        (1000, 2.581),
    ],
)
def test_students_t_is_that_of_the_tables(freedom, t):
    assert means.quantile(freedom) == pytest.approx(t, abs=6e-4)


def test_the_mean_of_some_values():
    made = means.of([10.0, 12.0, 14.0])
    assert (made.count, made.mean, made.smallest, made.largest) == (3, 12.0, 10.0, 14.0)
    # the standard error is 2 / sqrt(3)
    assert made.margin == pytest.approx(9.925 * 2 / 3**0.5, abs=1e-3)


def test_equal_values_have_no_margin_to_speak_of():
    assert means.of([3.0, 3.0]).margin == pytest.approx(0.0)


def test_one_value_has_no_margin():
    assert means.of([7.5]).margin is None


def test_there_is_no_mean_of_nothing():
    with pytest.raises(ValueError, match="no mean of nothing"):
        means.of([])
