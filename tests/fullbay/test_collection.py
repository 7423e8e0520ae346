from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ingestion.values import amount, moment
from tests.fullbay.collection import Collection, Record
from tests.fullbay.resources import KINDS

NOW = datetime(2026, 7, 1, tzinfo=UTC)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["insert", "update", "delete", "backdate"]), st.integers(0, 10**6)), max_size=30
)


def ids_by_rank(collection: Collection) -> list[str]:
    found = (collection.at(rank) for rank in range(len(collection)))
    return [str(collection.kind.first_id + at) if isinstance(at, int) else at.id for at in found]


def changed(collection: Collection, changes: list[tuple[str, int]]) -> dict[str, Record]:
    """Change a collection; return what it must hold then, kept the plain way."""
    model = {record.id: record for record in collection.records()}
    for change, number in changes:
        if change == "insert" or not model:
            record = collection.insert(NOW, {})
        else:
            chosen = sorted(model)[number % len(model)]
            if change == "delete":
                collection.delete(chosen)
                del model[chosen]
                continue
            earlier = {"updated_at": model[sorted(model)[number // 7 % len(model)]].key[0]}
            record = collection.update(chosen, NOW, earlier if change == "backdate" else {})
        model[record.id] = record
    return model


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 120), st.sampled_from([1, 2, 5, 200]), st.integers(0, 99), CHANGES)
def test_the_order_is_that_of_time_and_id_whatever_changes(
    size: int, sharing: int, seed: int, changes: list[tuple[str, int]]
) -> None:
    collection = Collection(KINDS["work-orders"], seed, size, sharing)
    model = changed(collection, changes)
    assert len(collection) == len(model)
    assert ids_by_rank(collection) == [record.id for record in sorted(model.values(), key=lambda record: record.key)]
    assert {record.id: record for record in collection.records()} == model
    assert {name: collection.get(name) for name in model} == model


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.sampled_from([1, 3]), CHANGES, st.integers(0, 99), st.integers(-1, 1))
def test_the_records_before_a_time_are_counted(
    size: int, sharing: int, changes: list[tuple[str, int]], which: int, microseconds: int
) -> None:
    collection = Collection(KINDS["parts"], 1, size, sharing)
    times = [record.key[0] for record in changed(collection, changes).values()]
    since = (times[which % len(times)] if times else NOW) + timedelta(microseconds=microseconds)
    assert collection.count_before(since) == sum(time < since for time in times)
    assert collection.count_before(since, is_inclusive=False) == sum(time <= since for time in times)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_record_is_sent_in_many_spellings_of_the_same_truth(kind: Any) -> None:
    spellings: dict[str, set[str]] = {}
    for record in Collection(kind, 3, 400).records():
        for name in kind.amounts:
            sent = record.raw.get(name)
            as_number = Decimal(str(sent)) if isinstance(sent, float) else sent
            assert amount(as_number, name) == record.fields[name], record
            spellings.setdefault("amount", set()).add(f"${sent}"[:2] if sent == "" else type(sent).__name__)
            spellings["amount"] |= {"$"} if str(sent).startswith("$") else set()
        for name in ("created_at", "updated_at"):
            sent = record.raw[name]
            assert moment(sent, name) == record.fields[name]
            ends_in_z, is_long = sent.endswith("Z"), len(sent) > 10
            kind_of_time = (ends_in_z, "." in sent, " " in sent, is_long, "+" in sent or sent.count("-") > 2)
            spellings.setdefault(name, set()).add(str(kind_of_time))
        assert str(record.raw["id"]) == record.id
        spellings.setdefault("id", set()).add(type(record.raw["id"]).__name__)
    assert spellings["amount"] >= {"$", "NoneType", "str", "float"}
    assert len(spellings["updated_at"]) >= 5
    assert len(spellings["created_at"]) >= 6
    assert spellings["id"] == {"int", "str"}


def test_a_vehicle_stands_in_four_places_or_nowhere() -> None:
    places = set()
    for record in Collection(KINDS["work-orders"], 1, 300).records():
        found = [name for name in ("vehicle", "vehicle_info", "asset", "vin") if name in record.raw]
        assert len(found) == (record.fields["vehicle_info"] is not None)
        vehicle = record.fields["vehicle_info"]
        assert not found or vehicle == (
            {name: record.raw[name] for name in vehicle} if found == ["vin"] else record.raw[found[0]]
        )
        places |= {*found} or {None}
    assert places == {"vehicle", "vehicle_info", "asset", "vin", None}


def test_the_same_seed_makes_the_same_records_and_another_makes_others() -> None:
    first, again, other = (list(Collection(KINDS["work-orders"], seed, 50).records()) for seed in (1, 1, 2))
    assert first == again
    assert not any(one in first for one in other)


def test_records_share_a_time_when_they_are_told_to() -> None:
    times = [record.key[0] for record in Collection(KINDS["work-orders"], 1, 1000, sharing=50).records()]
    assert {times.count(time) for time in times} == {50}


def test_millions_of_records_cost_nothing_until_they_are_asked_for() -> None:
    collection = Collection(KINDS["work-orders"], 1, 5_000_000)
    record = collection.update("3456789", NOW, {"status": "closed"})
    assert record.raw["status"] == "closed"
    assert collection.at(4_999_999) == record
    collection.delete("1000000")
    assert len(collection) == 4_999_999


def test_a_change_is_newer_than_all_before_it() -> None:
    collection = Collection(KINDS["work-orders"], 1, 10)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    times = [collection.update("1000003", long_ago, {}).key[0] for _ in range(3)]
    assert times == sorted(set(times))
    assert times[0] > max(record.key[0] for record in Collection(KINDS["work-orders"], 1, 10).records())


def test_an_amount_may_be_changed_by_any_spelling_and_is_sent_as_that_amount() -> None:
    collection = Collection(KINDS["work-orders"], 1, 10)
    record = collection.update("1000003", NOW, {"total_amount": "-5.10"})
    assert record.fields["total_amount"] == Decimal("-5.10")
    sent = record.raw["total_amount"]
    assert amount(Decimal(str(sent)) if isinstance(sent, float) else sent, "") == Decimal("-5.10")


@pytest.mark.parametrize("identifier", ["1000010", "999999", "nobody", ""])
def test_what_is_not_there_cannot_be_changed(identifier: str) -> None:
    collection = Collection(KINDS["work-orders"], 1, 10)
    with pytest.raises(KeyError):
        collection.update(identifier, NOW, {})
    with pytest.raises(KeyError):
        collection.delete(identifier)
