"""An image is the compact JSON of what DynamoDB keeps, and is compared by what it holds, however that is ordered."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.local_aws.change_stream.attribute_values import normalised_attributes, same_image
from ddb_pipeline.local_aws.change_stream.images import Image
from ddb_pipeline_tests.unit.value_strategies import values_of


def items(texts: st.SearchStrategy[str], most: int) -> st.SearchStrategy[dict[str, Any]]:
    names = texts.filter(bool)
    numbers = st.integers(-999, 999).map(str)
    binaries = st.binary(max_size=4).map(lambda data: base64.b64encode(data).decode())
    values = values_of(names=names, texts=texts, numbers=numbers, binaries=binaries, most=most)
    return st.dictionaries(names, values, max_size=most)


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
# so few that items are often the same
TWO_LETTERS = st.text("ab", max_size=2)


def shuffled(value: Any, order: random.Random) -> Any:
    """The same value with names and elements of sets in another order; lists stay."""
    if not isinstance(value, dict):
        return [shuffled(member, order) for member in value] if isinstance(value, list) else value
    members = [
        (name, order.sample(content, len(content)) if name in {"SS", "NS", "BS"} else shuffled(content, order))
        for name, content in value.items()
    ]
    return dict(order.sample(members, len(members)))


@given(items(ANY_TEXT, most=4))
def test_an_image_is_compact_json_that_reads_back_as_the_item(item):
    image = Image.of(item)

    assert image.attributes() == item
    assert image.text == json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    assert Image.of(image.attributes()) == image
    assert Image.of(normalised_attributes(item)) == image


@given(items(TWO_LETTERS, most=4), st.randoms(use_true_random=False))
def test_order_makes_no_difference_to_an_image(item, order):
    assert Image.of(item).is_same(Image.of(shuffled(item, order)))


@given(items(TWO_LETTERS, most=2), items(TWO_LETTERS, most=2))
def test_images_are_the_same_exactly_if_they_hold_the_same(one, other):
    assert Image.of(one).is_same(Image.of(other)) == same_image(one, other)
