"""What goals and activities must look like, and what may be asked about them. What is answered: `answers`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from service.goals.targets import Target, amount, check_present, with_values
from service.pages import PageQuery
from service.validation import CommaSeparated, Day, Instant, LongText, Number, StrictSchema, Text, choice

PATTERNS = ("recurring", "milestone", "target", "streak", "limit")
VISIBILITIES = ("private", "friends", "public")
STATUSES = ("draft", "active", "paused", "completed", "archived")
ACTIVITY_TYPES = ("progress", "completed", "skipped", "partial")
SORTS = ("created_asc", "created_desc", "updated_asc", "updated_desc", "title_asc", "title_desc")

VISIBLE = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
MAX_STREAK_DAYS = 365
NEEDED = {
    "recurring": ("period",),
    "limit": ("period",),
    "milestone": ("targetDate",),
    "target": ("targetDate", "startValue"),
    "streak": (),
}


class Context(fields.Field[dict[str, str]]):
    """An object of at most 20 texts of at most 500 characters, by keys of at most 50."""

    size = 20
    key, text = Text(limit=50), LongText(limit=500)

    def json_schema(self) -> dict[str, Any]:
        """Return what the object must be as JSON Schema."""
        return {
            "type": "object",
            "maxProperties": self.size,
            "propertyNames": self.key.json_schema(),
            "additionalProperties": self.text.json_schema(),
        }

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object of texts")
        if len(value) > self.size:
            raise ValidationError(f"Must have at most {self.size} keys")
        flaws: dict[str, Any] = {}
        for key, text in value.items():
            for field, part in ((self.key, key), (self.text, text)):
                try:
                    field.deserialize(part)
                except ValidationError as failure:
                    flaws.setdefault(key[:64], []).extend(failure.messages)
        if flaws:
            raise ValidationError(flaws)
        return value


class Schedule(StrictSchema):
    """On which days of the week (ISO: Monday is 1), and when."""

    daysOfWeek = fields.List(
        Number(1, 7, 0), required=True, validate=validate.Length(1, 7, error="Must have 1 to 7 days")
    )
    preferredTime = Text(
        limit=5,
        load_default=None,
        validate=validate.Regexp("^([01][0-9]|2[0-3]):[0-5][0-9]$", error="Must be a time such as 07:30"),
    )

    class Meta(StrictSchema.Meta):
        json_schema = {"allOf": [{"properties": {"daysOfWeek": {"uniqueItems": True}}}]}

    @validates_schema
    def _check_days(self, schedule: dict[str, Any], **_: Any) -> None:
        if len(set(schedule["daysOfWeek"])) < len(schedule["daysOfWeek"]):
            raise ValidationError("Must hold each day once", "daysOfWeek")


class GoalInput(StrictSchema):
    """A goal as it is sent. What is left out has its default, or is null."""

    title = Text(required=True, limit=200, validate=validate.Regexp(VISIBLE, error="Must hold more than white space"))
    description = LongText(limit=1000, load_default="")
    category = Text(required=True, limit=50)
    icon = LongText(limit=50, load_default=None)
    color = Text(
        limit=7,
        load_default=None,
        validate=validate.Regexp("^#[0-9A-Fa-f]{6}$", error="Must be a color such as #1E90FF"),
    )
    goalPattern = choice(PATTERNS, required=True)
    target = fields.Nested(Target, required=True)
    schedule = fields.Nested(Schedule, load_default=None)
    context = Context(load_default=None)
    visibility = choice(VISIBILITIES, load_default="private")
    status = choice(STATUSES, load_default="active")

    class Meta(StrictSchema.Meta):
        json_schema = {
            "anyOf": [
                {
                    "properties": {
                        "goalPattern": {"const": pattern},
                        "target": with_values(*names)
                        if names
                        else {"properties": {"value": {"multipleOf": 1, "maximum": MAX_STREAK_DAYS}}},
                    }
                }
                for pattern, names in NEEDED.items()
            ]
        }

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def _check_target(self, goal: dict[str, Any], sent: Any, **_: Any) -> None:
        pattern, target = goal.get("goalPattern"), goal.get("target")
        if pattern is None or target is None:
            return
        try:
            check_present(target, sent["target"], NEEDED[pattern], pattern)
        except ValidationError as failure:
            raise ValidationError({"target": failure.messages}) from None
        days = target.get("value", 1)
        if pattern == "streak" and (days > MAX_STREAK_DAYS or days % 1):
            raise ValidationError({"target": {"value": [f"Must be a whole number of at most {MAX_STREAK_DAYS} days"]}})


class GoalListQuery(PageQuery):
    """Which goals to list, and in which order. Without a status those that are not archived."""

    status = CommaSeparated(STATUSES, load_default=[status for status in STATUSES if status != "archived"])
    goalPattern = CommaSeparated(PATTERNS)
    category = CommaSeparated(limit=50)
    sort = choice(SORTS, load_default="created_desc")


def _check_year(moment: datetime) -> None:
    if moment < datetime(1, 1, 2, tzinfo=UTC):
        raise ValidationError("Must be in a year that every time zone has")


class ActivityInput(StrictSchema):
    """What was done for a goal. The unit is the goal's, the moment the present one where it is not given."""

    value = amount(required=True)
    unit = Text(limit=50, load_default=None)
    activityType = choice(ACTIVITY_TYPES, load_default="progress")
    activityDate = Instant(load_default=None, validate=_check_year)
    note = LongText(limit=500, load_default=None)


class ActivityListQuery(PageQuery):
    """Which activities to list. Days are those of the user's time zone; the first and the last belong to the list."""

    startDate = Day()
    endDate = Day()
    activityType = CommaSeparated(ACTIVITY_TYPES)

    @validates_schema
    def _check_days(self, query: dict[str, Any], **_: Any) -> None:
        start, end = query.get("startDate"), query.get("endDate")
        if start and end and start > end:
            raise ValidationError("Must not be before startDate", "endDate")
