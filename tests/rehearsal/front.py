"""The one AWS endpoint: everything goes on to moto, except what moto cannot do.

Lambda     Invoke is done by `functions`
RDS Data   ExecuteStatement is done by `data_api`
ECR, RDS   names of hosts are told as they are reached here, or as AWS has them
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from email.message import Message
from urllib.parse import parse_qs, unquote, urlsplit

from tests.rehearsal import aws
from tests.rehearsal.data_api import BadRequest, DataApi
from tests.rehearsal.functions import Functions, Refused, tail
from tests.rehearsal.serving import Request, Response

INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_JSON = ("Content-Type", "application/json")


class Front:
    """Answers requests to AWS."""

    def __init__(
        self, moto: str, registry: str, functions: Functions, data_api: DataApi, sweep: Callable[[], None]
    ) -> None:
        self._moto = urlsplit(moto).netloc
        self._functions, self._data_api, self._sweep = functions, data_api, sweep
        self._told = {
            # Where docker pushes to and pulls from.
            "ecr": (f"{aws.ACCOUNT}.dkr.ecr.{aws.REGION}.amazonaws.com", registry),
            # As the endpoints of proxies are on AWS; the service tells them by it.
            "rds": (".db-proxy-", ".proxy-"),
        }

    def answer(self, request: Request) -> Response:
        """Answer a request, by moto or here."""
        path, service = urlsplit(request.target).path, _service(request.headers)
        if request.method == "POST" and (match := INVOKE.fullmatch(path)):
            return self._invoke(unquote(match[1]), request)
        if service == "rds-data":
            return self._execute(path, request)
        response = self._forward(request, service)
        if service in self._told:
            there, here = self._told[service]
            body = response.body.replace(there.encode(), here.encode())
            response = Response(response.status, response.headers, body)
        if response.status < 300 and _is_removal(service, request):
            self._sweep()
        return response

    def _forward(self, request: Request, service: str) -> Response:
        headers = dict(request.headers.items())
        if request.headers.get("X-Amz-Target", "").startswith("AWSCognitoIdentityProviderService."):
            # Such a request may be unsigned: then its host is all that tells the region.
            headers["Host"] = f"cognito-idp.{aws.REGION}.amazonaws.com"
        headers.pop("Transfer-Encoding", None)
        headers["Content-Length"] = str(len(request.body))
        connection = http.client.HTTPConnection(self._moto, timeout=120)
        try:
            connection.request(request.method, request.target, request.body, headers)
            response = connection.getresponse()
            return Response(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def _invoke(self, name: str, request: Request) -> Response:
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        query = parse_qs(urlsplit(request.target).query)
        try:
            if kind != "RequestResponse":
                raise Refused(400, "InvalidParameterValueException", f"Here nobody waits for the type {kind}")
            done = self._functions.invoke(name, query.get("Qualifier", [None])[0], request.body)
        except Refused as refused:
            return _refusal(refused.status, refused.code, str(refused))
        headers = [_JSON, ("X-Amz-Executed-Version", done.version)]
        if done.error:
            headers.append(("X-Amz-Function-Error", done.error))
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            headers.append(("X-Amz-Log-Result", tail(done.log)))
        return Response(200, headers, done.payload)

    def _execute(self, path: str, request: Request) -> Response:
        try:
            if path != "/Execute":
                raise BadRequest("BadRequestException", f"Here there is no {path}")
            answer = self._data_api.execute(json.loads(request.body))
        except BadRequest as refused:
            return _refusal(400, refused.code, str(refused))
        return Response(200, [_JSON], json.dumps(answer).encode())


def _service(headers: Message) -> str:
    match = _SERVICE.search(headers.get("Authorization", ""))
    return match[1] if match else ""


def _is_removal(service: str, request: Request) -> bool:
    if service == "lambda":
        return (
            request.method == "DELETE"
            and re.fullmatch("/2015-03-31/functions/[^/]+", urlsplit(request.target).path) is not None
        )
    return service == "rds" and b"Action=DeleteDBCluster&" in request.body + b"&"


def _refusal(status: int, code: str, message: str) -> Response:
    return Response(status, [_JSON, ("X-Amzn-ErrorType", code)], json.dumps({"message": message}).encode())
