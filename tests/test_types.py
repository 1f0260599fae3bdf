"""The nouns: what is shared between two of them, and what cannot be changed."""

import msgspec
import pytest
from exchanges import request
from records import record

from genai_perf.types import Answer, Exchange, Slot


@pytest.mark.parametrize("make", [lambda: Exchange(request()), Answer])
def test_two_of_them_share_no_list(make):
    one, two = make(), make()
    for name in one.__struct_fields__:
        value = getattr(one, name)
        if isinstance(value, list | dict):
            value.append(1) if isinstance(value, list) else value.update(a=1)
            assert not getattr(two, name), name


@pytest.mark.parametrize("made", [Slot(0, None), request(), record()], ids=lambda made: type(made).__name__)
def test_plans_and_records_do_not_change(made):
    with pytest.raises((AttributeError, TypeError)):
        made.index = 1


def test_a_record_can_be_made_anew_with_a_change():
    assert 5 == msgspec.structs.replace(record(), end_ns=5).end_ns
