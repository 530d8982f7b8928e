"""The country codes of a landmarks file.

Source: ISO 3166-1 alpha-2, officially assigned; and XK, which ISO leaves to its users and
which most of them use for Kosovo.
"""

from __future__ import annotations

# first letter -> second letters
_SECOND = {
    "A": "DEFGILMOQRSTUWXZ",
    "B": "ABDEFGHIJLMNOQRSTVWYZ",
    "C": "ACDFGHIKLMNORUVWXYZ",
    "D": "EJKMOZ",
    "E": "CEGHRST",
    "F": "IJKMOR",
    "G": "ABDEFGHILMNPQRSTUWY",
    "H": "KMNRTU",
    "I": "DELMNOQRST",
    "J": "EMOP",
    "K": "EGHIMNPRWYZ",
    "L": "ABCIKRSTUVY",
    "M": "ACDEFGHKLMNOPQRSTUVWXYZ",
    "N": "ACEFGILOPRUZ",
    "O": "M",
    "P": "AEFGHKLMNRSTWY",
    "Q": "A",
    "R": "EOSUW",
    "S": "ABCDEGHIJKLMNORSTVXYZ",
    "T": "CDFGHJKLMNORTVWZ",
    "U": "AGMSYZ",
    "V": "ACEGINU",
    "W": "FS",
    "X": "K",
    "Y": "ET",
    "Z": "AMW",
}
COUNTRIES = frozenset(first + second for first, rest in _SECOND.items() for second in rest)

MEANT = {"UK": "GB", "EL": "GR", "SU": "RU", "YU": "RS", "TP": "TL", "ZR": "CD", "AN": "CW"}
"""Codes that are used and are none, and the one that is probably meant."""
