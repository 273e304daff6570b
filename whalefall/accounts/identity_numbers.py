"""The two numbers people and companies are known by, and their checksums. Pure: no table, no key.

A resident identity number (GB 11643) has 17 digits and a check character by ISO 7064 MOD 11-2. A
unified social credit code (GB 32100) has 17 characters of a 31-letter alphabet and a check
character by MOD 31-3. Both catch every wrong character and every swap of two neighbours."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from whalefall.base.errors import InvalidRequestError

ADULT_YEARS = 18
OLDEST_YEARS = 130
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""Without I, O, S, V and Z, which are mistaken for digits."""
RESIDENT_CHECKS = "10X98765432"

ODD_RESIDENT_NUMBER = (
    "That is not a valid resident ID number. Please compare all 18 characters with the card."
)
NOT_AN_ADULT = "Only adults, 18 years and older, can be verified."
ODD_CREDIT_CODE = (
    "That is not a valid unified social credit code. Please compare all 18 characters with the "
    "business licence."
)

_RESIDENT = re.compile(r"[1-9][0-9]{16}[0-9X]")
_CREDIT = re.compile(rf"[{CREDIT_ALPHABET}]{{2}}[0-9]{{6}}[{CREDIT_ALPHABET}]{{10}}")


class WrongNumberError(InvalidRequestError):
    """A number that cannot be: counted, because whoever guesses numbers makes many of them."""


def checked_resident_number(text: str, today: date) -> str:
    """The number as it is stored. WrongNumberError for one that no adult can have."""
    number = _normal(text)
    if not _RESIDENT.fullmatch(number) or resident_check(number[:17]) != number[17]:
        raise WrongNumberError(ODD_RESIDENT_NUMBER)
    born = _birth_date(number)
    if born is None or born > today or _age(born, today) > OLDEST_YEARS:
        raise WrongNumberError(ODD_RESIDENT_NUMBER)
    if _age(born, today) < ADULT_YEARS:
        raise WrongNumberError(NOT_AN_ADULT)
    return number


def checked_credit_code(text: str) -> str:
    """The code as it is stored. WrongNumberError when it is none."""
    code = _normal(text)
    if not _CREDIT.fullmatch(code) or credit_check(code[:17]) != code[17]:
        raise WrongNumberError(ODD_CREDIT_CODE)
    return code


def resident_check(digits: str) -> str:
    """The check character behind 17 digits."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(digits))
    return RESIDENT_CHECKS[total % 11]


def credit_check(characters: str) -> str:
    """The check character behind 17 characters."""
    values = map(CREDIT_ALPHABET.index, characters)
    total = sum(value * pow(3, place, 31) for place, value in enumerate(values))
    return CREDIT_ALPHABET[-total % 31]


def masked_resident_number(number: str) -> str:
    """The first and the last character: enough for its owner, nothing for anybody else."""
    return f"{number[0]}{'*' * 16}{number[-1]}"


def masked_credit_code(code: str) -> str:
    return f"{code[:4]}{'*' * 10}{code[-4:]}"


def _normal(text: str) -> str:
    """Full-width characters, spaces, hyphens and small letters are how people type it."""
    return re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text)).upper()


def _birth_date(number: str) -> date | None:
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def _age(born: date, today: date) -> int:
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    return today.year - born.year - (not had_birthday)
