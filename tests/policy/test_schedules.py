"""Every schedule of every environment puts a job that exists, with arguments that it takes, at times that come."""

from __future__ import annotations

import json
import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service import config, jobs, schedule_expression
from service.app import create_app
from service.exports import triggers
from service.exports.selection.request import request_of as export_of
from service.exports.settings import table_prefix
from service.ingestion.service import get_ingestion
from service.ingestion.service import request_of as ingestion_of
from service.jobs.schedules import SCHEDULES
from service.lambda_handler import _arguments, _message
from tests.policy.application_plan import Plan, Planned, Values
from tests.terraform.program import ENVIRONMENTS

pytestmark = pytest.mark.slow  # three plans of Terraform

NAMES = [path.name for path in ENVIRONMENTS]
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"  # EventBridge puts the time in its place

each_environment = pytest.mark.parametrize("environment", NAMES)


def messages(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return what each schedule puts into the queue, as the handler reads it."""
    found = plan.of_type("aws_scheduler_schedule")
    return {name: _message({"body": values["target"][0]["input"]}) for name, values in found.items()}


def rule_about_new_files(plan: Plan) -> tuple[Values, Values]:
    """Return the rule and its target."""
    (rule,), (target,) = (
        plan.of_type(kind).values() for kind in ("aws_cloudwatch_event_rule", "aws_cloudwatch_event_target")
    )
    return rule, target


def transformed(transformer: Values, event: Values) -> Any:
    """Return the message that EventBridge makes of an event: each `<name>` is replaced by what its path leads to."""

    def found(path: str) -> Any:
        value: Any = event
        for key in path.removeprefix("$.").split("."):
            value = value[key]
        return value

    values = {name: json.dumps(found(path)) for name, path in transformer["input_paths"].items()}
    return json.loads(re.sub("<([a-z]+)>", lambda name: values[name[1]], transformer["input_template"]))


@each_environment
def test_there_are_schedules(planned: Planned, environment: str) -> None:
    assert len(messages(planned(environment))) >= len(SCHEDULES)


@each_environment
def test_every_schedule_names_a_job_that_exists(planned: Planned, environment: str) -> None:
    create_app(config.Config())
    assert {message["job"] for message in messages(planned(environment)).values()} <= set(jobs.names())


@each_environment
def test_what_is_ingested_is_a_source_and_a_request(planned: Planned, environment: str) -> None:
    app = create_app(config.Config())
    for name, message in messages(planned(environment)).items():
        if message["job"] != "ingest":
            continue
        arguments = _arguments(message)
        assert arguments.keys() <= {"source", "resource", "shop", "full", "event"}, name
        ingestion_of(arguments)
        with app.app_context():
            source = get_ingestion().sources[arguments["source"]]
        assert arguments.get("resource", source.name) in source.resources


@each_environment
def test_what_is_exported_is_a_table_that_may_be_with_what_is_asked_of_it(planned: Planned, environment: str) -> None:
    plan = planned(environment)
    for name, message in messages(plan).items():
        if message["job"] != "export":
            continue
        arguments = _arguments(message)
        asked = export_of({key: value for key, value in arguments.items() if key != "event"})
        assert asked.table.startswith(f"{table_prefix(environment)}_"), name
        rules = {rule.name: rule for rule in plan.config.exports.tables or ()}
        assert asked.table in rules, name
        assert rules[asked.table].date_column or not asked.date_filter, name
        assert rules[asked.table].key or asked.mode != "changed", name


@each_environment
def test_two_deliveries_of_one_time_are_known_as_one(planned: Planned, environment: str) -> None:
    events = [message["event"] for message in messages(planned(environment)).values()]
    assert all(SCHEDULED_TIME in event for event in events)
    assert len(set(events)) == len(events)


@each_environment
def test_every_time_comes(planned: Planned, environment: str) -> None:
    for values in planned(environment).of_type("aws_scheduler_schedule").values():
        schedule_expression.check(values["schedule_expression"])
        ZoneInfo(values["schedule_expression_timezone"])


@each_environment
def test_what_the_worker_pulls_by_itself_aws_pulls_too(planned: Planned, environment: str) -> None:
    pulled = {
        name: (message["job"], {key: value for key, value in _arguments(message).items() if key != "event"})
        for name, message in messages(planned(environment)).items()
    }
    assert {name: tuple(scheduled) for name, scheduled in SCHEDULES.items()}.items() <= pulled.items()


def test_new_files_of_prod_become_the_job_that_their_event_would(planned: Planned) -> None:
    rule, target = rule_about_new_files(planned("prod"))
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": "headgate-prod-lake"},
            "object": {"key": 'silver/customers/a "quoted" ö.parquet', "size": 5, "sequencer": "00617F08299329D189"},
        },
    }
    message = transformed(target["input_transformer"][0], event)
    assert message == {"job": "export", "objects": triggers.created_objects(event)}
    pattern = json.loads(rule["event_pattern"])
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert pattern["detail"]["bucket"]["name"] == ["headgate-prod-lake"]
    assert tuple(one["suffix"] for one in pattern["detail"]["object"]["key"]) == triggers.DATA_FILES


def test_new_files_of_dev_begin_nothing(planned: Planned) -> None:
    assert planned("dev").of_type("aws_cloudwatch_event_rule") == {}
