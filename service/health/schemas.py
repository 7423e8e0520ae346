"""What the routes about the service itself answer."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class Welcome(Schema):
    """What this is, and where to go on."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    links = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class Health(Schema):
    """The process answers. `commit` is the one that it was built from, where that is known."""

    status = fields.String(required=True, validate=validate.Equal("healthy"))
    version = fields.String(required=True)
    commit = fields.String(required=True, allow_none=True)


class Readiness(Schema):
    """Whether the database answers and every migration of this version has run."""

    status = fields.String(required=True, validate=validate.OneOf(("ready", "unready")))
    database = fields.String(required=True, validate=validate.OneOf(("connected", "unavailable")))
    missingMigrations = fields.List(fields.String(), required=True, allow_none=True)


class AwsInfo(Schema):
    """Where this runs. Outside AWS `environment` is `local` unless ENVIRONMENT says another, and the rest is null."""

    environment = fields.String(required=True)
    region = fields.String(required=True, allow_none=True)
    functionName = fields.String(required=True, allow_none=True)
    functionVersion = fields.String(required=True, allow_none=True)
    memoryMb = fields.Integer(required=True, allow_none=True)
    runtime = fields.String(required=True, allow_none=True)
    requestId = fields.String(required=True)
