"""What is remembered for moto's answers is what moto works out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

import pytest
from moto.core import serialize
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker
from moto.core.utils import get_service_model

from ddb_pipeline.local_aws import lean_answers


class Table:
    """An object that names its fields in three ways."""

    class Meta:
        serialization_aliases: ClassVar[dict[str, str]] = {"CreatedBy": "author"}

    def __init__(self, **values: object) -> None:
        vars(self).update(values)


MEMBERS = get_service_model("glue").shape_for("Table").members


def pick(obj: object, key: str) -> object:
    lean_answers.remember()
    return XFormedAttributePicker()(AttributePickerContext(obj=obj, key=key, shape=MEMBERS[key]))


@pytest.mark.parametrize("key", sorted(MEMBERS))
@pytest.mark.parametrize("obj", [{}, Table()], ids=["dict", "object"])
def test_the_names_of_a_field_are_those_of_moto_in_its_order(key, obj):
    context = AttributePickerContext(obj=obj, key=key, shape=MEMBERS[key])
    expected = list(dict.fromkeys(lean_answers._work_out(XFormedAttributePicker(), context)))
    lean_answers.remember()
    for _ in range(2):
        assert list(XFormedAttributePicker().get_possible_keys(context)) == expected


def test_objects_of_one_shape_are_read_each_by_its_own_names():
    assert pick({"CreatedBy": "a"}, "CreatedBy") == "a"
    assert pick(Table(author="b", CreatedBy="c"), "CreatedBy") == "b"
    assert pick(Table(created_by="d"), "CreatedBy") == "d"
    assert pick({"created_by": "e"}, "CreatedBy") == "e"
    assert pick({}, "CreatedBy") is None


def test_a_moment_is_the_same_whether_it_is_text_a_number_or_a_moment():
    lean_answers.remember()
    expected = datetime(2026, 11, 1, 12, tzinfo=UTC)
    for given in ("2026-11-01T12:00:00Z", expected.timestamp(), expected, "2026-11-01T12:00:00Z"):
        assert serialize.parse_to_aware_datetime(given) == expected
    with pytest.raises(ValueError, match="Invalid timestamp"):
        serialize.parse_to_aware_datetime("yesterday")
