"""What a person writes as the inputs of a task, read and checked: numbers, and strings of letters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from algoscope.errors import UserError


def several(inputs: Sequence[object]) -> Sequence[object]:
    """The inputs, unless they are one text that was meant as the only one."""
    if isinstance(inputs, str):
        raise UserError(f"encode takes a list of inputs: write [{short(inputs)}]")
    return inputs


def numbers(value: object, count: int, below: int) -> list[int]:
    """The `count` numbers from 0 to `below` - 1 in a list, or in a text with spaces or commas between them.

    >>> numbers("3, 1 4", count=3, below=10)
    [3, 1, 4]
    """
    ids = {str(number): number for number in range(below)}
    if isinstance(value, str):
        given: list[object] = [ids.get(word, word) for word in re.findall(r"[^\s,]+", value)]
    elif isinstance(value, Sequence):
        given = list(value)
    else:
        raise UserError(f"{short(value)} is no sequence: give {count} numbers from 0 to {below - 1}")
    if len(given) != count:
        raise UserError(f"{short(value)} has {len(given)} numbers: give {count}")
    found = []
    for number in given:
        if type(number) is not int or not 0 <= number < below:
            raise UserError(
                f"{short(value)} has {short(number)}: the numbers are whole ones from 0 to {below - 1}"
            )
        found.append(number)
    return found


def letters(value: object, alphabet: str, shortest: int, longest: int) -> list[int]:
    """Which letters of the alphabet a string is made of, as their places in it.

    >>> letters("cab", alphabet="abc", shortest=1, longest=5)
    [2, 0, 1]
    """
    if not isinstance(value, str):
        raise UserError(f"{short(value)} is no string: give text of the letters {alphabet}")
    strange = next((letter for letter in value if letter not in alphabet), None)
    if strange is not None:
        raise UserError(f"{short(value)} has {strange!r}: the letters are {alphabet}")
    if not shortest <= len(value) <= longest:
        bound = f"{shortest} to {longest}" if shortest < longest else f"{longest}"
        raise UserError(f"{short(value)} has {len(value)} letters: give {bound}")
    return [alphabet.index(letter) for letter in value]


def short(value: object) -> str:
    """A value as code, cut in the middle if it is long."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:32]}…{text[-6:]}"
