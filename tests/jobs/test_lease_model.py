"""Whatever workers do with jobs in whatever order, the table does what this model does."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import config
from service.database import Database
from service.jobs import queries


@dataclass
class Job:
    turn: int  # of being due
    attempts: int = 0
    lease: str | None = None
    has_ended: bool = False  # the lease
    is_dead: bool = False


@dataclass
class Model:
    """Jobs by their ids; the leases that were ever given, by what job they were given for."""

    jobs: dict[str, Job] = field(default_factory=dict)
    leases: list[tuple[str, str]] = field(default_factory=list)
    turns: Iterator[int] = field(default_factory=count)

    def next(self) -> str | None:
        free = [i for i, job in self.jobs.items() if not job.is_dead and (job.lease is None or job.has_ended)]
        return min(free, key=lambda i: self.jobs[i].turn, default=None)

    def held(self, lease: str, job_id: str) -> Job | None:
        job = self.jobs.get(job_id)
        return job if job and job.lease == lease else None

    def release(self, job: Job) -> None:
        job.lease, job.turn = None, next(self.turns)


SAYINGS = ("extend", "finish", "fail", "bury", "hand back")
STEPS = st.one_of(
    st.sampled_from([("put", 0), ("take", 0), ("take", 0), ("retry", 0)]),
    st.tuples(st.sampled_from([*SAYINGS, "end"]), st.integers(0, 30)),
)


@pytest.fixture(scope="module")
def database(jobs_environment: dict[str, str]) -> Iterator[Database]:
    database = Database(config.load(jobs_environment))
    yield database
    database.close()


def say(database: Database, what: str, lease: str) -> bool:
    return {
        "extend": lambda: database.statement(queries.extend, lease, 60),
        "finish": lambda: database.statement(queries.finish, lease),
        "fail": lambda: database.statement(queries.fail, lease, "why", 0),
        "bury": lambda: database.statement(queries.fail, lease, "why", None),
        "hand back": lambda: database.statement(queries.hand_back, lease, 0),
    }[what]()


def follow(model: Model, what: str, lease: str, job_id: str) -> bool:
    """Do in the model what is said about a lease; return whether it is one."""
    job = model.held(lease, job_id)
    if job is None:
        return False
    if what == "extend":
        job.has_ended = False
    elif what == "finish":
        del model.jobs[job_id]
    else:
        model.release(job)
        job.is_dead = what == "bury"
        job.attempts -= what == "hand back"
    return True


def take(database: Database, model: Model) -> None:
    lease = str(uuid.uuid4())
    taken = database.statement(queries.take, lease, 60)
    expected = model.next()
    assert (taken and taken.id) == expected
    if expected and taken:
        job = model.jobs[expected]
        job.lease, job.has_ended, job.attempts = lease, False, job.attempts + 1
        assert taken.attempt == job.attempts
        model.leases.append((lease, expected))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=5, max_size=40))
def test_the_table_does_what_the_model_does(sql: Any, database: Database, steps: list[tuple[str, int]]) -> None:
    sql("TRUNCATE jobs")
    model = Model()
    for what, number in steps:
        if what == "put":
            job_id = str(uuid.uuid4())
            database.statement(queries.put, job_id, "note", "{}", 0)
            model.jobs[job_id] = Job(next(model.turns))
        elif what == "take":
            take(database, model)
        elif what == "retry":
            dead = [job for job in model.jobs.values() if job.is_dead]
            assert len(database.statement(queries.retry, None)) == len(dead)
            for job in dead[:1]:
                job.is_dead, job.attempts, job.turn = False, 0, next(model.turns)
            for job in dead[1:]:  # they are due at one moment: which is first is not said
                sql("DELETE FROM jobs WHERE id = %s", next(i for i, j in model.jobs.items() if j is job))
                model.jobs = {i: j for i, j in model.jobs.items() if j is not job}
        elif model.leases:
            lease, job_id = model.leases[number % len(model.leases)]
            if what == "end":
                sql("UPDATE jobs SET leased_until = now() WHERE lease = %s", lease)
                if job := model.held(lease, job_id):
                    job.has_ended = True
            else:
                assert say(database, what, lease) is follow(model, what, lease, job_id)
    states = {row[0]: row[1:] for row in sql("SELECT id, attempts, lease, dead_at IS NOT NULL FROM jobs")}
    assert states == {i: (job.attempts, job.lease, job.is_dead) for i, job in model.jobs.items()}
