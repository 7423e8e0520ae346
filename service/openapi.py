"""The OpenAPI 3.1 document of a registry of routes. For build time: it needs apispec, which the image has not.

Schemas become components by their class names, fields by apispec's marshmallow plugin; a field of ours tells its JSON
Schema in `json_schema()`, and rules between the fields of a schema stand in its `Meta.json_schema`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from marshmallow import Schema, fields

from service import __version__
from service.operations import JSON, PUBLIC, USER, Answer, ListOf, Operation, Route, Shape

Object = dict[str, Any]

ABOUT = """\
Partners send events, people keep goals and meals, operators watch.

* **Tokens**: every route but the public ones takes a Bearer token. Partners' tokens grant scopes such as
  `events:write`; users get theirs from `POST /auth/login`.
* **Errors** have one shape; `details.errors` names each broken rule and its path.
* **Ids of requests**: every answer bears `X-Request-Id`; send your own, or quote ours when something went wrong.
* **Throttling**: API Gateway answers 429 with its own body beyond the rate of a route.
"""
TITLES = {
    400: ("Bad Request", "The body cannot be read: it is no JSON, no UTF-8, or not as long as it says."),
    401: ("Unauthorized", "The token is missing, has expired, or is not one of ours."),
    403: ("Forbidden", "The token does not grant what the route needs."),
    404: ("Not Found", "There is nothing of this name, or it is not yours."),
    409: ("Conflict", "It contradicts what is stored."),
    412: ("Precondition Failed", "The header If-Match names another version than the one that is stored."),
    413: ("Payload Too Large", "The body is larger than the service takes."),
    415: ("Unsupported Media Type", "The body is not JSON in UTF-8 without Content-Encoding."),
    422: ("Invalid Request", "Rules are broken; `details.errors` names each, and its path."),
    429: ("Too Many Requests", "Too often; the header Retry-After says when to come back."),
    503: ("Service Temporarily Unavailable", "Something that the answer needs cannot be had now; try again later."),
}
CONVERTERS: dict[str, Object] = {
    "uuid": {"type": "string", "format": "uuid"},
    "int": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**63 - 1},
    "string": {"type": "string", "minLength": 1, "maxLength": 255},
    "path": {"type": "string", "minLength": 1, "maxLength": 255},
}
ERROR_HEADERS = {401: ("WWW-Authenticate",), 403: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}


class Violation(Schema):
    """One broken rule: the path to the value, such as `items[0].quantity`, and the rule."""

    path = fields.String(required=True)
    message = fields.String(required=True)


class Error(Schema):
    """What every answer is that is no success. Some routes add keys of their own."""

    error = fields.String(required=True)
    message = fields.String(required=True)
    status = fields.Integer(required=True)
    timestamp = fields.DateTime(required=True)
    requestId = fields.String(required=True)
    details = fields.Dict()

    class Meta:
        unknown = "include"


def document(routes: Iterable[Route]) -> Object:
    """Return the document. Raises `ValueError` where two schemas have one name."""
    return _Builder().build(list(routes))


class _Builder:
    def __init__(self) -> None:
        from apispec import APISpec
        from apispec.ext.marshmallow import MarshmallowPlugin

        self._plugin = MarshmallowPlugin(schema_name_resolver=self._component_of)
        self._spec = APISpec(
            title="Headgate",
            version=__version__,
            openapi_version="3.1.0",
            info={"description": ABOUT},
            servers=[{"url": "/"}],
            plugins=[self._plugin],
        )
        converter: Any = self._plugin.converter
        self._converter = converter
        self._converter.add_attribute_function(_own_schema)
        self._converter.add_attribute_function(_nullable_choices)
        self._classes: dict[str, type[Schema]] = {}

    def build(self, routes: list[Route]) -> Object:
        self._spec.components.security_scheme(
            "bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The token alone."}
        )
        self._describe_errors()
        seen: set[str] = set()
        for route in routes:
            operation_id = route.endpoint.replace(".", "_")
            if operation_id in seen:  # a view at two paths
                operation_id += re.sub("[^a-z]+", "_", f"_at{route.path}")
            seen.add(operation_id)
            self._spec.path(
                path=route.path,
                operations={route.method.lower(): {"operationId": operation_id, **self._operation(route)}},
            )
        tags = sorted({route.endpoint.partition(".")[0] for route in routes})
        return self._finished(self._spec.to_dict() | {"tags": [{"name": tag} for tag in tags]})

    def _describe_errors(self) -> None:
        error = self._reference(Error)
        for status, (title, description) in TITLES.items():
            example = {
                "error": title,
                "message": description,
                "status": status,
                "timestamp": "2026-01-15T10:30:00.000Z",
                "requestId": "0f8fad5b-d9cb-469f-a165-70867728950e",
            }
            if status == 422:
                example["details"] = {"errors": [{"path": "title", "message": "Must not be empty"}]}
            headers = {name: {"schema": {"type": "string"}} for name in ERROR_HEADERS.get(status, ())}
            answer: Object = {"description": description, "content": {JSON: {"schema": error, "example": example}}}
            self._spec.components.response(str(status), answer | ({"headers": headers} if headers else {}))

    def _operation(self, route: Route) -> Object:
        declared = route.operation
        found: Object = {"summary": route.summary, "tags": [route.endpoint.partition(".")[0]]}
        if declared.access == PUBLIC:
            found["security"] = []
        else:
            scope = f"the scope `{declared.scope}`" if declared.scope else "a signed-in user"
            found["description"] = f"Needs {scope}."
            found["security"] = [{"bearer": [] if declared.access == USER else [declared.access]}]
        if parameters := self._parameters(route):
            found["parameters"] = parameters
        if declared.body is not None:
            media: Object = {"schema": self._shape(declared.body)}
            if declared.example is not None:
                media["example"] = declared.example
            found["requestBody"] = {"required": not declared.is_body_optional, "content": {JSON: media}}
        found["responses"] = self._responses(route)
        return found

    def _parameters(self, route: Route) -> list[Object]:
        found: list[Object] = [
            {"in": "path", "name": name, "required": True, "schema": CONVERTERS[converter]}
            for name, converter in route.variables
        ]
        if route.operation.query is not None:
            for name, field in route.operation.query().load_fields.items():
                parameter = {
                    "in": "query",
                    "name": field.data_key or name,
                    "required": field.required,
                    "schema": self._converter.field2property(field),
                }
                if parameter["schema"].get("type") == "array":
                    parameter |= {"style": "form", "explode": False}  # a,b,c
                found.append(parameter)
        found += [
            {"in": "header", "name": name, "required": False, "description": text, "schema": {"type": "string"}}
            for name, text in route.operation.headers.items()
        ]
        return found

    def _responses(self, route: Route) -> Object:
        declared = route.operation
        found: Object = {}
        for status, shape in declared.answers.items():
            answer = shape if isinstance(shape, Answer) else Answer(shape)
            text = answer.description or _about(answer.schema) or "Done; the answer has no body."
            response: Object = {"description": text}
            if answer.schema is not None:
                response["content"] = {answer.media_type: {"schema": self._shape(answer.schema)}}
            elif answer.media_type != JSON:
                response["content"] = {answer.media_type: {"schema": {"type": "string"}}}
            if answer.headers:
                response["headers"] = {
                    name: {"description": about, "schema": {"type": "string"}} for name, about in answer.headers.items()
                }
            found[str(status)] = response
        for status in sorted({*_errors_of(route), *declared.errors} - set(declared.answers)):
            reference: Object = {"$ref": f"#/components/responses/{status}"}
            if status in declared.errors:
                reference["description"] = declared.errors[status]
            found[str(status)] = reference
        return found

    def _shape(self, shape: Shape) -> Object:
        if isinstance(shape, ListOf):
            return {"type": "array", "items": self._reference(shape.schema), "minItems": 1, "maxItems": shape.limit}
        return self._reference(shape)

    def _reference(self, schema: type[Schema]) -> Object:
        reference: Object = self._converter.resolve_nested_schema(schema)
        return reference

    def _component_of(self, schema: Any) -> str:
        cls: type[Schema] = schema if isinstance(schema, type) else type(schema)
        if self._classes.setdefault(cls.__name__, cls) is not cls:
            raise ValueError(
                f"Two schemas are named {cls.__name__}: {cls.__module__}, {self._classes[cls.__name__].__module__}"
            )
        return cls.__name__

    def _finished(self, spec: Object) -> Object:
        """Add to each component what its class says: the docstring, and the rules between its fields."""
        for name, component in spec["components"]["schemas"].items():
            cls = self._classes[name]
            component["description"] = " ".join((cls.__doc__ or "").split())
            component.update(getattr(cls.Meta, "json_schema", {}))
        return {"openapi": spec.pop("openapi"), **spec}


def _errors_of(route: Route) -> set[int]:
    """Return the statuses that follow from what a route declares."""
    declared: Operation = route.operation
    found = {503} if declared.access != PUBLIC or declared.body is not None else set()
    if declared.access != PUBLIC:
        found |= {401, 403}
    if declared.body is not None:
        found |= {400, 413, 415, 422}
    if declared.query is not None:
        found.add(422)
    if route.variables:
        found.add(404)
    return found


def _about(shape: Shape | None) -> str:
    schema = shape.schema if isinstance(shape, ListOf) else shape
    return " ".join((schema.__doc__ or "").split()) if schema else ""


def _own_schema(_converter: Any, field: Any, ret: Object, **_: Any) -> Object:
    """Return what a field of ours tells of itself, beside what its validators tell."""
    if not hasattr(field, "json_schema"):
        return {}
    schema: Object = field.json_schema()
    if "pattern" in ret:  # a validator says more
        schema.pop("pattern", None)
    if field.allow_none:
        if "type" in schema:
            schema["type"] = [schema["type"], "null"]
        elif "anyOf" in schema:
            schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


def _nullable_choices(_converter: Any, field: Any, ret: Object, **_: Any) -> Object:
    """Return the choices of a field that may be null with null among them."""
    if field.allow_none and "enum" in ret and None not in ret["enum"]:
        return {"enum": [*ret["enum"], None]}
    return {}
