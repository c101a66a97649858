"""Any value that DynamoDB holds, as DynamoDB JSON, for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Text = st.SearchStrategy[str]


def values_of(
    *, names: Text, texts: Text, numbers: Text, binaries: Text, most: int, in_order: bool = False
) -> st.SearchStrategy[dict[str, Any]]:
    """Values of all ten types.

    Args:
        names: Names of members of maps.
        texts: What an S or SS holds.
        numbers: What an N or NS holds.
        binaries: What a B or BS holds, in base64.
        most: Most members of a set, list or map; three times as many values in all, about.
        in_order: Whether sets are sorted, as in a canonical image.
    """

    def set_of(members: Text) -> st.SearchStrategy[list[str]]:
        return st.lists(members, min_size=1, max_size=most, unique=True).map(sorted if in_order else list)

    scalars = st.one_of(
        st.builds(dict, S=texts),
        st.builds(dict, N=numbers),
        st.builds(dict, B=binaries),
        st.builds(dict, BOOL=st.booleans()),
        st.just({"NULL": True}),
        st.builds(dict, SS=set_of(texts)),
        st.builds(dict, NS=set_of(numbers)),
        st.builds(dict, BS=set_of(binaries)),
    )
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.builds(dict, M=st.dictionaries(names, inner, max_size=most)),
            st.builds(dict, L=st.lists(inner, max_size=most)),
        ),
        max_leaves=3 * most,
    )
