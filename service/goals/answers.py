"""What the routes of goals answer. PostgreSQL writes it; the tests hold it against these schemas."""

from __future__ import annotations

from marshmallow import Schema, fields

from service.goals.schemas import ACTIVITY_TYPES, PATTERNS, STATUSES, VISIBILITIES
from service.goals.targets import DIRECTIONS, PERIODS, TARGET_TYPES
from service.pages import Pagination
from service.validation import choice

TRENDS = ("up", "down", "stable")


class TargetOutput(Schema):
    """What a goal aims at."""

    metric = fields.String(required=True)
    value = fields.Decimal(required=True)
    unit = fields.String(required=True)
    period = choice(PERIODS, required=True, allow_none=True)
    targetDate = fields.Date(required=True, allow_none=True)
    startValue = fields.Decimal(required=True, allow_none=True)
    direction = choice(DIRECTIONS, required=True, allow_none=True)
    targetType = choice(TARGET_TYPES, required=True, allow_none=True)
    minValue = fields.Decimal(required=True, allow_none=True)
    maxValue = fields.Decimal(required=True, allow_none=True)


class ScheduleOutput(Schema):
    """On which days of the week, and when."""

    daysOfWeek = fields.List(fields.Integer(), required=True)
    preferredTime = fields.String(required=True, allow_none=True)


class GoalOutput(Schema):
    """A goal. `version` is one more with every change."""

    goalId = fields.UUID(required=True)
    title = fields.String(required=True)
    description = fields.String(required=True)
    category = fields.String(required=True)
    icon = fields.String(required=True, allow_none=True)
    color = fields.String(required=True, allow_none=True)
    goalPattern = choice(PATTERNS, required=True)
    target = fields.Nested(TargetOutput, required=True)
    schedule = fields.Nested(ScheduleOutput, required=True, allow_none=True)
    context = fields.Dict(keys=fields.String(), values=fields.String(), required=True, allow_none=True)
    visibility = choice(VISIBILITIES, required=True)
    status = choice(STATUSES, required=True)
    version = fields.Integer(required=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)


class GoalList(Schema):
    """One page of goals."""

    goals = fields.List(fields.Nested(GoalOutput), required=True)
    pagination = fields.Nested(Pagination, required=True)


class ActivityOutput(Schema):
    """What was done for a goal."""

    activityId = fields.UUID(required=True)
    goalId = fields.UUID(required=True)
    value = fields.Decimal(required=True)
    unit = fields.String(required=True)
    activityType = choice(ACTIVITY_TYPES, required=True)
    activityDate = fields.DateTime(required=True)
    note = fields.String(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)


class ActivityList(Schema):
    """One page of activities, newest first."""

    activities = fields.List(fields.Nested(ActivityOutput), required=True)
    pagination = fields.Nested(Pagination, required=True)


class Periods(Schema):
    """In how many of the periods so far the target was met."""

    met = fields.Integer(required=True)
    total = fields.Integer(required=True)


class Streak(Schema):
    """Days in a row: those that reach up to today or yesterday, and the most ever."""

    current = fields.Integer(required=True)
    longest = fields.Integer(required=True)


class ProgressOutput(Schema):
    """How far a goal is at a moment, in the days of the user's time zone.

    `progress` is in percent; `current` is where the goal stands: the sum of the running period (recurring, limit), of
    all (milestone), the newest value (target), the days in a row (streak). `periods` is null for the other patterns.
    """

    goalId = fields.UUID(required=True)
    goalPattern = choice(PATTERNS, required=True)
    asOf = fields.DateTime(required=True)
    timezone = fields.String(required=True)
    progress = fields.Decimal(required=True)
    current = fields.Decimal(required=True)
    target = fields.Decimal(required=True)
    unit = fields.String(required=True)
    total = fields.Decimal(required=True)
    average = fields.Decimal(required=True, allow_none=True)
    best = fields.Decimal(required=True, allow_none=True)
    activities = fields.Integer(required=True)
    skipped = fields.Integer(required=True)
    consistency = fields.Decimal(required=True, allow_none=True)
    trend = choice(TRENDS, required=True)
    periods = fields.Nested(Periods, required=True, allow_none=True)
    streak = fields.Nested(Streak, required=True)
