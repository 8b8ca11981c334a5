"""Letters and fronts against versions that look at everything."""
from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts import Refused
from repro.leaderboard.letters import columns, display, letter
from repro.leaderboard.pareto import front
from tests.reference import leaderboard_letters as slow


@st.composite
def differences(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    n = draw(st.integers(1, 7))
    return n, draw(st.lists(st.sampled_from(list(itertools.combinations(range(n), 2))), unique=True)) if n > 1 else []


@settings(deadline=None)
@given(differences())
def test_the_columns_are_the_largest_sets_without_a_difference(found: tuple[int, list[tuple[int, int]]]) -> None:
    assert columns(*found) == slow.columns(*found)


@settings(deadline=None)
@given(differences())
def test_two_methods_share_a_letter_exactly_when_they_do_not_differ(found: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = found
    letters = display(n, pairs)
    for pair in itertools.combinations(range(n), 2):
        assert bool(set(letters[pair[0]]) & set(letters[pair[1]])) == (pair not in pairs)


def test_the_textbook_example() -> None:
    """A chain in which neighbours are alike."""
    assert display(4, [(0, 2), (0, 3), (1, 3)]) == ["a", "ab", "bc", "c"]
    assert display(3, []) == ["a", "a", "a"]
    assert display(3, [(0, 1), (0, 2), (1, 2)]) == ["a", "b", "c"]


def test_the_order_of_the_pairs_changes_nothing() -> None:
    pairs = [(0, 3), (1, 2), (0, 4), (2, 4)]
    assert len({tuple(display(5, p)) for p in itertools.permutations(pairs)}) == 1


def test_letters_go_on_after_z() -> None:
    names = [letter(i) for i in range(110)]
    assert (names[0], names[25], names[26], names[52], len(set(names))) == ("a", "z", "A", "a1", 110)


def test_a_pair_of_no_two_methods_is_refused() -> None:
    with pytest.raises(Refused, match="not two of 3 methods"):
        columns(3, [(1, 1)])
    with pytest.raises(Refused, match="not two of 3 methods"):
        columns(3, [(0, 3)])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=9))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    found = front(points)
    assert set(found) == slow.front(points)
    assert [points[i][0] for i in found] == sorted(points[i][0] for i in found)
    assert bool(found) == bool(points)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(98, 103), st.integers(0, 5)), min_size=1, max_size=9))
def test_costs_within_one_per_cent_are_equal(points: list[tuple[int, int]]) -> None:
    assert set(front(points)) == slow.front(points) != set()


def test_a_little_more_cost_for_more_quality_is_on_the_front_and_takes_the_other_off() -> None:
    assert front([(700_752, 1.0), (700_776, 2.0)]) == [1]
    assert front([(700_752, 2.0), (700_776, 2.0)]) == [0, 1]
    assert front([(100, 1.0), (102, 2.0)]) == [0, 1]
