"""What the routes of the documentation answer."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields


class OpenApi(Schema):
    """An OpenAPI 3.1 document; https://spec.openapis.org/oas/v3.1.1.html says what else it holds."""

    openapi = fields.String(required=True)
    info = fields.Dict(required=True)
    servers = fields.List(fields.Dict(), required=True)
    paths = fields.Dict(required=True)
    components = fields.Dict(required=True)

    class Meta:
        unknown = INCLUDE
