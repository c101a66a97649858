"""What a fault of requests may be: as an object, and as text on the command line."""

from __future__ import annotations

import pytest

from ddb_pipeline.local_aws.faults import Fault, InvalidFaultError
from ddb_pipeline.local_aws.faults.rules import Call, Standing


def test_text_and_object_say_the_same() -> None:
    text = "fail,service=glue,operation=StartCrawler,count=3,rate=0.5,seed=7,status=503,code=Busy,carried_out=true"
    fault = Fault.parse(text)

    assert fault == Fault(
        "fail", "glue", "StartCrawler", count=3, rate=0.5, seed=7, status=503, code="Busy", carried_out=True
    )
    assert Fault.of(fault.settings()) == fault
    assert Fault.parse("throttle") == Fault("throttle")
    assert Fault("throttle").settings() == {"kind": "throttle"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the kind of a fault is one of throttle, fail, expire, stall, cut, kill, not ''"),
        ("explode", "not 'explode'"),
        ("throttle,s3", "'s3' has no value"),
        ("throttle,servce=s3", "no setting 'servce'"),
        ("throttle,operation=GetItem", "say which service has the operation GetItem"),
        ("throttle,service=7", "service is text"),
        ("throttle,rate=2", "rate is a number from 0 to 1, not 2"),
        ("throttle,count=0", "count is a whole number from 1"),
        ("throttle,count=1.5", "count is a whole number"),
        ("throttle,skip=-1", "skip is a whole number"),
        ("stall,seconds=4000", "seconds is a number from 0 to 3600"),
        ("throttle,seconds=1", "seconds is of kind stall, not of kind throttle"),
        ("expire,code=Other", "code is of kind fail, not of kind expire"),
        ("fail,status=200", "status is a whole number from 400 to 599"),
        ("throttle,carried_out=true", "carried_out is of kind fail, stall, kill, not of kind throttle"),
        ("fail,carried_out=1", "carried_out is true or false, not 1"),
    ],
)
def test_what_is_no_fault_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidFaultError) as caught:
        Fault.parse(text)

    assert reason in str(caught.value)


def test_a_share_is_struck_and_never_more_than_the_count() -> None:
    half = Standing(Fault("throttle", rate=0.5, seed=1))
    few = Standing(Fault("throttle", rate=0.5, count=10, seed=1))

    for standing in (half, few):
        for _ in range(1000):
            standing.strikes(Call("s3", "GetObject"))

    assert 400 < half.struck < 600
    assert few.struck == 10
    assert half.met == few.met == 1000
    assert not Standing(Fault("throttle", service="glue")).strikes(Call("s3", "GetObject"))
