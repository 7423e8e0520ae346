"""The evaluation that the tests of alarms rest on, against the tables of CloudWatch's guide."""

from __future__ import annotations

import pytest

from tests.policy.cloudwatch import CloudWatch, Values


def alarm(**values: object) -> Values:
    return {
        "namespace": "N",
        "metric_name": "M",
        "dimensions": {},
        "unit": "Count",
        "period": 60,
        "statistic": "Sum",
        "extended_statistic": None,
        "metric_query": [],
        "comparison_operator": "GreaterThanThreshold",
        "threshold": 1,
        "evaluation_periods": 3,
        "datapoints_to_alarm": 3,
        "treat_missing_data": "notBreaching",
        **values,
    }


def drawn(data: str) -> CloudWatch:
    """Return a CloudWatch with one period for each sign, the newest last: `0` is good, `X` is bad, `-` is missing."""
    cloudwatch = CloudWatch(60 * len(data))
    for at, sign in enumerate(data, start=1):
        if sign != "-":
            cloudwatch.now = 60 * at
            cloudwatch.put("N", "M", 2 if sign == "X" else 0, "Count")
    return cloudwatch


@pytest.mark.parametrize(
    ("data", "breaching", "not_breaching"),
    [
        ("0-X-X", "OK", "OK"),
        ("----0", "OK", "OK"),
        ("-----", "ALARM", "OK"),
        ("0XX-X", "ALARM", "ALARM"),
        ("--X--", "ALARM", "OK"),
    ],
)
def test_missing_data_count_as_in_the_table_of_the_guide(data: str, breaching: str, not_breaching: str) -> None:
    assert drawn(data).state(alarm(treat_missing_data="breaching")) == breaching
    assert drawn(data).state(alarm(treat_missing_data="notBreaching")) == not_breaching


@pytest.mark.parametrize(("data", "state"), [("0X0XX", "ALARM"), ("XX0X0", "OK"), ("X000X", "OK")])
def test_so_many_of_the_newest_periods_have_to_be_bad(data: str, state: str) -> None:
    assert drawn(data).state(alarm(datapoints_to_alarm=2)) == state


@pytest.mark.parametrize(
    "change", [{"unit": "Seconds"}, {"metric_name": "m"}, {"namespace": "n"}, {"dimensions": {"A": "b"}}]
)
def test_another_unit_name_or_dimension_is_another_metric(change: dict[str, object]) -> None:
    assert drawn("XXX").state(alarm()) == "ALARM"
    assert drawn("XXX").state(alarm(**change)) == "OK"


@pytest.mark.parametrize(
    ("bad", "total", "state"), [(2, 100, "ALARM"), (1, 100, "OK"), (None, 100, "OK"), (0, 0, "OK")]
)
def test_a_share_is_calculated(bad: float | None, total: float, state: str) -> None:
    def query(name: str, metric: str) -> Values:
        told = {"namespace": "N", "metric_name": metric, "dimensions": {}, "unit": "", "period": 60, "stat": "Sum"}
        return {"id": name, "metric": [told], "expression": "", "return_data": False}

    share = {"id": "value", "metric": [], "expression": "100 * FILL(bad, 0) / total", "return_data": True}
    cloudwatch = CloudWatch(60)
    for name, value in {"Bad": bad, "Total": total}.items():
        if value is not None:
            cloudwatch.put("N", name, value, "Count")
    watched = alarm(
        metric_query=[query("bad", "Bad"), query("total", "Total"), share],
        evaluation_periods=1,
        datapoints_to_alarm=1,
    )
    assert cloudwatch.state(watched) == state


def test_a_percentile_is_that_of_the_values() -> None:
    cloudwatch = CloudWatch(60)
    for value in range(1, 101):
        cloudwatch.put("N", "M", value, "Count")
    of_95 = alarm(statistic=None, extended_statistic="p95", evaluation_periods=1, datapoints_to_alarm=1)
    assert cloudwatch.state(of_95 | {"threshold": 94}) == "ALARM"
    assert cloudwatch.state(of_95 | {"threshold": 95}) == "OK"


def test_a_line_is_read_once_for_each_set_of_dimensions() -> None:
    cloudwatch = CloudWatch(0)
    cloudwatch.read(
        '{"_aws":{"Timestamp":0,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["A"],["A","B"]],'
        '"Metrics":[{"Name":"M","Unit":"Count"}]}]},"A":"a","B":"b","M":[1,2]}\nanother line\n'
    )
    assert {
        tuple(sorted(key.dimensions)): [datum.value for datum in data] for key, data in cloudwatch.data.items()
    } == {
        (("A", "a"),): [1, 2],
        (("A", "a"), ("B", "b")): [1, 2],
    }
