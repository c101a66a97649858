"""Invented persons: what the items of the demo table hold. No data, only word lists and chance."""

from __future__ import annotations

import random
from typing import Any

FIRST_NAMES = {
    "female": (
        "Amara",
        "Beatriz",
        "Chiara",
        "Dagny",
        "Elif",
        "Freya",
        "Hana",
        "Ingrid",
        "Jasmin",
        "Leïla",
        "Mei",
        "Zoë",
    ),
    "male": ("Anders", "Björn", "Caspar", "Dmitri", "Emeka", "Finn", "Hiro", "Ivo", "José", "Karim", "Luca", "Tomasz"),
    "other": ("Alex", "Charlie", "Kim", "Noa", "Robin", "Sasha"),
}
LAST_NAMES = (
    "Abebe", "Bauer", "Castellano", "Dvořák", "Eriksen", "Fontaine", "García", "Haddad", "Ito", "Jovanović", "Keller",
    "Lindqvist", "Moreau", "Nakamura", "O'Brien", "Öztürk", "Petrov", "Quispe", "Rossi", "Silva", "Tanaka", "Usman",
    "Visser", "Weiß", "Zhang",
)  # fmt: skip
TITLES = ("Dr.", "Dipl.-Ing.", "Mag.", "Prof.", "")
DESCRIPTORS = ("Central", "Corporate", "District", "Global", "Internal", "Junior", "Lead", "Regional", "Senior")
AREAS = ("Accounts", "Data", "Logistics", "Marketing", "Operations", "Quality", "Research", "Security", "Support")
TYPES = ("Administrator", "Analyst", "Consultant", "Coordinator", "Designer", "Engineer", "Manager", "Planner")

Person = dict[str, Any]
"""An item's `person`: last_name, first_name, gender, title, and job with descriptor, area and type."""


def new_person(chance: random.Random) -> Person:
    """Invent a person."""
    gender = chance.choice(sorted(FIRST_NAMES))
    return {
        "last_name": chance.choice(LAST_NAMES),
        "first_name": chance.choice(FIRST_NAMES[gender]),
        "gender": gender,
        "title": chance.choice(TITLES),
        "job": _new_job(chance),
    }


def changed_person(person: Person, chance: random.Random) -> Person:
    """The same person after a marriage or with another job: certainly different from before."""
    if chance.random() < 1 / 4:
        others = [name for name in LAST_NAMES if name != person["last_name"]]
        return {**person, "last_name": chance.choice(others)}
    job = _new_job(chance)
    # another area, so that the change is one
    others = [area for area in AREAS if area != person["job"]["area"]]
    return {**person, "job": {**job, "area": chance.choice(others)}}


def _new_job(chance: random.Random) -> dict[str, str]:
    return {
        "descriptor": chance.choice(DESCRIPTORS),
        "area": chance.choice(AREAS),
        "type": chance.choice(TYPES),
    }
