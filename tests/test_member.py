"""The declarations of arguments that any word may use."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from levelhead.member import Member, number, wholes


@dataclass(frozen=True)
class Word(Member):
    word: ClassVar[str] = "word"
    amount: float | None = number(None, low=0, high=1)
    sizes: tuple[int, ...] = wholes(2, 4, low=2)


def test_an_open_number_and_a_list_print_as_they_are_read():
    assert str(Word()) == "word(amount=none, sizes=[2, 4])"
    assert str(Word(0, [8])) == "word(amount=0, sizes=[8])"
    assert Word(sizes=[3]) == Word(None, (3,))
    assert len({Word(), Word(sizes=[2, 4])}) == 1


@pytest.mark.parametrize("sizes", [[], [1], [2, 2], [2.0], [True], 4, "4", None])
def test_a_list_needs_different_whole_numbers(sizes):
    with pytest.raises(
        ValueError, match="word: sizes must be a list of different whole numbers of at least 2, such as"
    ):
        Word(sizes=sizes)


@pytest.mark.parametrize("amount", [1.5, "x", True, float("nan")])
def test_an_open_number_is_in_its_range_or_none(amount):
    with pytest.raises(ValueError, match=r"word: amount must be a number in \[0, 1\], or none, not"):
        Word(amount)
