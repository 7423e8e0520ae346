"""Which files have come, of which tables: what S3 and EventBridge say, and what somebody else might."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.exports import triggers
from service.exports.triggers import created_objects, key_of_objects, table_of

CUSTOMERS, ORDERS = "dev_customers_silver", "dev_orders_silver"

KEYS = {
    "silver/customers/part-001.parquet": CUSTOMERS,
    "silver/orders/2024/01/15/orders.parquet": ORDERS,
    "silver/customers/data/region=US/00000-0-1f.parquet": CUSTOMERS,
    "silver/customers/data/region=New York/00000.zstd.parquet": CUSTOMERS,
    "silver/customers/x.orc": CUSTOMERS,
    "silver/customers/x.avro": CUSTOMERS,
    "silver/customers/y=%2F/x.parquet": CUSTOMERS,
    "silver/customers/日本/x.parquet": CUSTOMERS,
    "gold/customers/x.parquet": "dev_customers_gold",
    "bronze/order_lines/x.parquet": "dev_order_lines_bronze",
}


@pytest.mark.parametrize(("key", "table"), KEYS.items(), ids=KEYS)
def test_a_file_of_data_belongs_to_its_table(key: str, table: str) -> None:
    assert table_of(key, "dev") == table


NOTHING = {
    "nothing": "",
    "a slash": "/",
    "slashes": "///",
    "a file at the top": "x.parquet",
    "a file of a layer": "silver/x.parquet",
    "a directory": "silver/customers/",
    "a directory that is called like a file": "silver/customers/x.parquet/",
    "no layer": "/customers/x.parquet",
    "no table": "silver//x.parquet",
    "an empty segment": "silver/customers//x.parquet",
    "up": "silver/customers/../orders/x.parquet",
    "up at the begin": "../silver/customers/x.parquet",
    "up out of the layer": "silver/../gold/x.parquet",
    "up as the table": "silver/../x.parquet",
    "here": "silver/./x.parquet",
    "here inside": "silver/customers/./x.parquet",
    "up, windows": "silver\\customers\\x.parquet",
    "up, encoded": "silver/%2e%2e/x.parquet",
    "up, twice encoded": "silver/%252e%252e/x.parquet",
    "a slash, encoded": "silver%2fcustomers%2fx.parquet",
    "a slash, twice encoded": "silver%252fcustomers%252fx.parquet",
    "a scheme": "s3://lake/silver/customers/x.parquet",
    "a scheme of files": "file:///etc/passwd.parquet",
    "iceberg's metadata": "silver/customers/metadata/00001-ab.metadata.json",
    "iceberg's manifests": "silver/customers/metadata/snap-1.avro",
    "iceberg's metadata in parquet": "silver/customers/metadata/x.parquet",
    "metadata inside": "silver/customers/data/metadata/x.parquet",
    "delta's log": "silver/customers/_delta_log/00.checkpoint.parquet",
    "spark's temporary files": "silver/customers/_temporary/0/x.parquet",
    "spark's marker": "silver/customers/_SUCCESS",
    "a marker": "silver/customers/_committed_1.parquet",
    "a staging directory": "silver/customers/_staging/x.parquet",
    "hidden": "silver/customers/.x.parquet",
    "hidden inside": "silver/customers/.tmp/x.parquet",
    "no name": "silver/customers/.parquet",
    "a checksum": "silver/customers/x.parquet.crc",
    "half a file": "silver/customers/x.parquet.tmp",
    "a copy": "silver/customers/x.parquet~",
    "a table as text": "silver/customers/x.csv",
    "another case": "silver/customers/x.PARQUET",
    "a query": "silver/customers/x.parquet?versionId=1",
    "a fragment": "silver/customers/x.parquet#1",
    "a line behind": "silver/customers/x.parquet\n",
    "a space behind": "silver/customers/x.parquet ",
    "NUL behind": "silver/customers/x.parquet\0",
    "NUL in the table": "silver/customers\0/x.parquet",
    "a line in the table": "silver/customers\n/x.parquet",
    "a space in the table": "silver/cust omers/x.parquet",
    "a space before": " silver/customers/x.parquet",
    "upper case": "Silver/Customers/x.parquet",
    "a quote": "silver/customers'/x.parquet",
    "a double quote": 'silver/customers"/x.parquet',
    "a statement": "silver/customers; DROP TABLE users/x.parquet",
    "a comment": "silver/customers--/x.parquet",
    "a union": "silver/x UNION SELECT 1/x.parquet",
    "a condition": "silver/customers' OR '1'='1/x.parquet",
    "a function": "silver/read_text('x')/x.parquet",
    "another schema": "silver/information_schema.tables/x.parquet",
    "a hidden column": "silver/customers$files/x.parquet",
    "a star": "silver/*/x.parquet",
    "a mark": "silver/?/x.parquet",
    "a template": "silver/{table}/x.parquet",
    "a variable": "silver/$customers/x.parquet",
    "a percent sign": "silver/%s/x.parquet",
    "a dash": "silver/order-lines/x.parquet",
    "an underscore before": "silver/_customers/x.parquet",
    "an underscore behind": "silver/customers_/x.parquet",
    "two underscores": "silver/order__lines/x.parquet",
    "a cyrillic letter": "silver/cust\u043emers/x.parquet",
    "fullwidth letters": "silver/\uff43ustomers/x.parquet",
    "the Kelvin sign": "silver/boo\u212as/x.parquet",
    "a long s": "\u017filver/customers/x.parquet",
    "a fullwidth slash": "silver\uff0fcustomers\uff0fx.parquet",
    "an arabic digit": "silver/customers\u0661/x.parquet",
    "zero width": "silver/cust\u200bomers/x.parquet",
    "right to left": "silver/\u202ecustomers/x.parquet",
    "a mark on a letter": "silver/cu\u0301stomers/x.parquet",
    "a surrogate": "silver/\ud800/x.parquet",
    "more bytes than a key has": f"silver/customers/{'x' * 1010}.parquet",
    "more bytes than a key has, in few letters": f"silver/customers/{'日' * 340}.parquet",
    "1 MB": f"silver/customers/{'x' * 1_000_000}.parquet",
    "1 MB of a table": f"silver/{'x' * 1_000_000}/x.parquet",
    "1 MB of underscores": f"silver/{'a_' * 500_000}/x.parquet",
    "1 MB of slashes": f"silver/customers{'/' * 1_000_000}x.parquet",
    "1 MB of directories": f"silver/customers/{'a/' * 500_000}x.parquet",
}


@pytest.mark.parametrize("key", NOTHING.values(), ids=NOTHING)
def test_what_is_no_file_of_data_belongs_to_no_table(key: str) -> None:
    began = time.perf_counter()
    assert table_of(key, "dev") is None
    assert time.perf_counter() - began < 0.1


def test_there_are_enough_of_them() -> None:
    assert len(set(NOTHING.values())) == len(NOTHING) >= 60


@given(st.text(max_size=60) | st.lists(st.sampled_from(["silver", "a", "b_c", "..", "x.parquet", ""])).map("/".join))
def test_a_table_is_called_as_its_file_lies(key: str) -> None:
    table = table_of(key, "dev")
    if table is not None:
        layer, entity, *path = key.split("/")
        assert table == f"dev_{entity}_{layer}"
        assert table.replace("_", "").isalnum()
        assert table.isascii()
        assert path[-1].endswith((".parquet", ".orc", ".avro"))


def record(key: str = "silver/customers/x.parquet", **about: Any) -> dict[str, Any]:
    return {"eventSource": "aws:s3", "s3": {"bucket": {"name": "lake"}, "object": {"key": key, **about}}}


def by_eventbridge(key: str = "silver/customers/x.parquet", **about: Any) -> dict[str, Any]:
    detail = {"bucket": {"name": "lake"}, "object": {"key": key, **about}, "reason": "PutObject"}
    return {"source": "aws.s3", "detail-type": "Object Created", "id": "event-1", "detail": detail}


def one(key: str, mark: str = "") -> dict[str, str]:
    return {"bucket": "lake", "key": key, "mark": mark}


SEED = {"Records": [{"s3": {"bucket": {"name": "lake"}, "object": {"key": "silver/customers/part-001.parquet"}}}]}


def test_the_notification_of_the_seed_is_known() -> None:
    assert created_objects(SEED) == [one("silver/customers/part-001.parquet")]


@pytest.mark.parametrize(
    "key", ["silver/a b+c/x.parquet", "silver/customers/ä=日本/100%.parquet", "silver/customers/%2F/x.parquet"]
)
def test_a_key_is_read_as_each_source_writes_it(key: str) -> None:
    assert created_objects({"Records": [record(quote_plus(key))]}) == [one(key)]
    assert created_objects(by_eventbridge(key)) == [one(key)]


def test_every_record_counts() -> None:
    keys = [f"silver/customers/{number}.parquet" for number in range(50)]
    found = created_objects({"Records": [record(key, sequencer=f"0055{key}") for key in keys]})
    assert found == [one(key, f"0055{key}") for key in keys]


@pytest.mark.parametrize("name", ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "ObjectCreated:Copy"])
def test_however_an_object_is_created_it_is_created(name: str) -> None:
    assert created_objects({"Records": [record() | {"eventName": name}]})


UNKNOWN = {
    "nothing": {},
    "a test of S3's": {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake"},
    "no records": {"Records": []},
    "records that are none": {"Records": [1]},
    "records that are an object": {"Records": {"s3": {}}},
    "a removed file": {"Records": [record() | {"eventName": "ObjectRemoved:Delete"}]},
    "a restored file": {"Records": [record() | {"eventName": "ObjectRestore:Completed"}]},
    "a created file and a removed one": {"Records": [record(), record() | {"eventName": "ObjectRemoved:Delete"}]},
    "a message": {"Records": [record() | {"eventSource": "aws:sqs"}]},
    "a file and a message": {"Records": [record(), {"eventSource": "aws:sqs", "body": "{}"}]},
    "no key": {"Records": [{"s3": {"bucket": {"name": "lake"}, "object": {}}}]},
    "a key that is a number": {"Records": [{"s3": {"bucket": {"name": "lake"}, "object": {"key": 7}}}]},
    "a key that is a list": {"Records": [{"s3": {"bucket": {"name": "lake"}, "object": {"key": ["x"]}}}]},
    "no bucket": {"Records": [{"s3": {"object": {"key": "x"}}}]},
    "a bucket that is a text": {"Records": [{"s3": {"bucket": "lake", "object": {"key": "x"}}}]},
    "s3 that is a text": {"Records": [{"s3": "x"}]},
    "a good file and half a one": {"Records": [record(), {"s3": {"bucket": {"name": "lake"}}}]},
    "EventBridge about a removed file": by_eventbridge() | {"detail-type": "Object Deleted"},
    "EventBridge by somebody else": by_eventbridge() | {"source": "evil"},
    "EventBridge without a detail": {"source": "aws.s3", "detail-type": "Object Created"},
    "EventBridge with a text": {"source": "aws.s3", "detail-type": "Object Created", "detail": "x"},
    "EventBridge without an object": {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {}}},
}


@pytest.mark.parametrize("event", UNKNOWN.values(), ids=UNKNOWN)
def test_another_event_created_nothing(event: dict[str, Any]) -> None:
    assert created_objects(event) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "s3", "bucket", "object", "name", "key", "eventName", "eventSource", "sequencer"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
EVENTS = st.dictionaries(st.sampled_from(["Records", "source", "detail-type", "detail", "s3"]), JSON, max_size=4)
NEARLY = st.fixed_dictionaries(
    {"Records": st.lists(st.fixed_dictionaries({"s3": JSON}, optional={"eventName": JSON, "eventSource": JSON}))}
) | st.fixed_dictionaries({"source": st.just("aws.s3"), "detail-type": st.just("Object Created"), "detail": JSON})


@given(EVENTS | NEARLY | JSON.filter(lambda value: isinstance(value, dict)))
def test_whatever_comes_is_objects_or_nothing(event: dict[str, Any]) -> None:
    found = created_objects(event)
    if found is None:
        return
    assert found
    for each in found:
        assert each.keys() == {"bucket", "key", "mark"}
        assert all(isinstance(value, str) for value in each.values())
        table_of(each["key"], "dev")
    assert key_of_objects(found, "event")


def test_the_same_writing_is_known_by_the_same_key_in_whatever_order() -> None:
    first, second = one("a", "0055"), one("b", "0056")
    key = key_of_objects([first, second], None)
    assert key == key_of_objects([second, first], "another event")
    others = [
        [first],
        [first, second | {"mark": "0057"}],
        [first, second | {"bucket": "other"}],
        [first, one("c", "0056")],
    ]
    assert len({key, *(key_of_objects(objects, None) for objects in others)}) == 5
    assert len(str(key)) < 100


def test_objects_without_a_mark_are_known_by_their_event() -> None:
    assert key_of_objects([one("a")], "event-1/t") == "object/event-1/t"
    assert key_of_objects([one("a", "0055"), one("b")], "event-1/t") == "object/event-1/t"
    assert key_of_objects([one("a")], None) is None


@pytest.mark.parametrize("name", ["sequencer", "version-id", "versionId"])
def test_what_tells_one_writing_from_the_next_is_its_mark(name: str) -> None:
    for event in (by_eventbridge(**{name: "0055AED6"}), {"Records": [record(**{name: "0055AED6"})]}):
        assert created_objects(json.loads(json.dumps(event))) == [one("silver/customers/x.parquet", "0055AED6")]


def test_what_an_event_is_known_by_says_of_which_kind_it_is() -> None:
    assert triggers.key_of("schedule", "x") != triggers.key_of("object", "x")
