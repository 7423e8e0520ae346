"""Every measurement that the service takes: the same table as in docs/operating.md, which a test compares with it.

A name may be written as here or in snake case: `RecordsProcessed`, `records_processed`. A name that does not stand here
is measured too, without unit and dimensions, so that a number can be looked at before it is agreed on.
"""

from __future__ import annotations

import re
from typing import NamedTuple

COUNTER = "counter"  # how often, how many: it is added up
GAUGE = "gauge"  # how it is now: the newest value counts
HISTOGRAM = "histogram"  # how it spreads: each value counts
SUMMARY = "summary"  # the same, of what does not stand in the table: its number and its sum

COUNT, SECONDS, NONE = "Count", "Seconds", "None"  # the words of CloudWatch

# What Prometheus tells the values of a histogram apart by, in seconds.
BRIEF = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LONG = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600)

_WORD = re.compile("(?<=[a-z0-9])(?=[A-Z])")


class Metric(NamedTuple):
    """One measurement. `dimensions` are what it is told apart by."""

    name: str
    kind: str
    unit: str
    dimensions: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = BRIEF

    @property
    def key(self) -> str:
        return snake(self.name)


def snake(name: str) -> str:
    """Return a name in snake case: `records_processed` for `RecordsProcessed`."""
    return _WORD.sub("_", name).lower()


_ROUTE = ("Method", "Route")
_SOURCE = ("Source", "Resource")

TABLE = (
    Metric("Requests", COUNTER, COUNT, (*_ROUTE, "Status"), "Requests answered, by class of status (2xx, 4xx, …)."),
    Metric("Errors", COUNTER, COUNT, _ROUTE, "Requests answered with 5xx."),
    Metric("Latency", HISTOGRAM, SECONDS, _ROUTE, "Time from the first look at a request to its answer."),
    Metric("ColdStarts", COUNTER, COUNT, (), "First invocations of a fresh Lambda environment."),
    Metric("EventsStored", COUNTER, COUNT, (), "Events stored."),
    Metric("EventsRefused", COUNTER, COUNT, ("Reason",), "Events not stored: invalid, duplicate, batch or failed."),
    Metric("EventsStale", COUNTER, COUNT, (), "Entities of stored events that were older than what is known."),
    Metric("PoolWait", HISTOGRAM, SECONDS, (), "Time waited for one of the database connections of the process."),
    Metric("PoolTimeouts", COUNTER, COUNT, (), "Times that none came free until the deadline."),
    Metric("JobRuns", COUNTER, COUNT, ("Job", "Outcome"), "Runs of jobs, by how they ended."),
    Metric("JobDuration", HISTOGRAM, SECONDS, ("Job",), "Time that a run of a job took.", LONG),
    Metric("JobsDead", COUNTER, COUNT, ("Job",), "Jobs given up after their last attempt."),
    Metric("QueueAge", GAUGE, SECONDS, (), "How long the oldest job that is due has waited."),
    Metric("RecordsProcessed", COUNTER, COUNT, _SOURCE, "Records read from a source."),
    Metric("RecordsInserted", COUNTER, COUNT, _SOURCE, "New records of a source."),
    Metric("RecordsUpdated", COUNTER, COUNT, _SOURCE, "Newer versions of records of a source."),
    Metric("RecordsRejected", COUNTER, COUNT, _SOURCE, "Records of a source put into the reject table."),
    Metric("RunsEnded", COUNTER, COUNT, (*_SOURCE, "Outcome"), "Runs of the ingestion ended, by their status."),
    Metric("RunDuration", HISTOGRAM, SECONDS, _SOURCE, "Time that a run of the ingestion took.", LONG),
    Metric("SourceLatency", HISTOGRAM, SECONDS, _SOURCE, "Time that one request to a source took."),
    Metric("ExportRowsSent", COUNTER, COUNT, ("Table",), "Rows that the partner has taken."),
    Metric("ExportRowsRejected", COUNTER, COUNT, ("Table",), "Rows that the partner has refused."),
    Metric("ExportsEnded", COUNTER, COUNT, ("Table", "Outcome"), "Legs of exports ended, by their status."),
    Metric("ExportDuration", HISTOGRAM, SECONDS, ("Table",), "Time that a leg of an export took.", LONG),
    Metric("QueryDuration", HISTOGRAM, SECONDS, ("Table",), "Time that the query of an export took.", LONG),
    Metric("PartnerLatency", HISTOGRAM, SECONDS, (), "Time that one request to the partner took."),
    Metric("PartnerRetries", COUNTER, COUNT, ("Reason",), "Requests to the partner that were made again."),
    Metric("Freshness", GAUGE, SECONDS, _SOURCE, "Time since the begin of the newest complete read of a source."),
)

METRICS = {metric.key: metric for metric in TABLE}
RESERVED = {name for metric in TABLE for name in metric.dimensions} | {"Environment", "requestId", "traceId"}
