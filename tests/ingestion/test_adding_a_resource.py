"""A resource is added as docs/ingestion.md says, with the two blocks that stand there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from service.ingestion.flat import FlatRecords
from service.ingestion.fullbay.work_orders import WorkOrders
from tests.fullbay import Fullbay
from tests.fullbay.collection import Collection
from tests.fullbay.resources import KINDS
from tests.ingestion.conftest import Installation
from tests.transports import ROOT


def blocks() -> dict[str, str]:
    """Return the blocks below "Add a resource" by their languages."""
    _, _, section = (ROOT / "docs" / "ingestion.md").read_text().partition("\n## Add a resource\n")
    return dict(re.findall(r"```(\w+)\n(.*?)```", section.partition("\n## ")[0], re.DOTALL))


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Any = eval(blocks()["python"], {"FlatRecords": FlatRecords})
    monkeypatch.setattr(WorkOrders, "resources", {**WorkOrders.resources, found.name: found})


def test_a_resource_takes_a_table_and_a_line(
    install: Callable[..., Installation], serve: Callable[..., Fullbay], vendors: None
) -> None:
    fullbay = serve()
    fullbay.collections["vendors"] = Collection(KINDS["customers"]._replace(name="vendors"), 1, 55)
    installation = install(fullbay)
    installation.sql(blocks()["sql"])

    first = installation.read("work-orders", "vendors")
    assert first is not None
    assert (first.status, first.message) == ("SUCCESS", None)
    stored = installation.sql("SELECT fullbay_id, name, email, balance FROM fullbay_vendors ORDER BY fullbay_id")
    assert stored == sorted((v["id"], v["name"], v["email"], v["balance"]) for v in fullbay.records("vendors"))
    assert len(stored) == 55

    changed = fullbay.update("vendors", stored[3][0], balance=7)
    spoilt = fullbay.insert("vendors", raw={"balance": "a lot"})
    second = installation.read("work-orders", "vendors")
    assert second is not None
    assert second.status == "PARTIAL"
    assert installation.sql("SELECT balance FROM fullbay_vendors WHERE fullbay_id = %s", changed["id"]) == [(7,)]
    ((record_id, resource, payload),) = installation.sql(
        "SELECT record_id, resource, payload FROM ingestion_rejects WHERE resolution IS NULL"
    )
    assert (record_id, resource, json.loads(payload)["balance"]) == (spoilt["id"], "vendors", "a lot")
