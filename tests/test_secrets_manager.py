"""A secret is read once, kept, and read again when it is due or refused. Its values are told to nobody who logs."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service import deadline, logs, secrets_manager
from service.config import ConfigError
from service.errors import ServiceUnavailable
from service.secrets_manager import SecretsManager, SecretUnavailable, SecretUnusable
from tests.secret_stores import REGION, Moto, Store, lead_to


@pytest.fixture(autouse=True)
def _no_deadline() -> Iterator[None]:
    deadline.clear()
    yield
    deadline.clear()


def read(name: str = "headgate") -> SecretsManager:
    return SecretsManager(name, REGION)


def reason_of(error: BaseException) -> str:
    return error.reason if isinstance(error, ServiceUnavailable) else str(error)


def test_a_secret_is_read_by_its_name_and_by_its_arn(aws: Moto) -> None:
    name = aws.create(fullbay_api_key="key-1", db_password=" p ")
    arn = aws.client.describe_secret(SecretId=name)["ARN"]
    for secret in (read(name), read(arn)):
        assert secret.get("fullbay_api_key") == "key-1"
        assert secret.get("db_password") == " p "
        assert secret.get("nothing") is None
        assert set(secret.keys()) == {"fullbay_api_key", "db_password"}


def test_nothing_is_asked_before_the_first_use_and_then_once(store: Store) -> None:
    store.content = {"a": "1", "b": "2"}
    secret = read()
    assert store.requests == []
    assert [secret.get("a"), secret.get("b"), secret.require("a")] == ["1", "2", "1"]
    assert store.requests == [{"SecretId": "headgate"}]


def test_a_new_value_is_seen_when_the_known_one_is_due(aws: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    name = aws.create(key="old")
    secret = read(name)
    assert secret.get("key") == "old"
    aws.put(name, key="new")
    assert secret.get("key") == "old"
    secret = read(name)
    monkeypatch.setattr(secrets_manager, "KEEP_SECONDS", 0.05)
    assert secret.get("key") == "new"
    aws.put(name, key="newer")
    time.sleep(0.06)
    assert secret.get("key") == "newer"


def test_a_new_value_is_seen_at_once_when_the_old_one_was_refused(aws: Moto) -> None:
    name = aws.create(key="old")
    secret = read(name)
    assert secret.get("key") == "old"
    aws.put(name, key="new")
    secret.refresh()
    assert secret.get("key") == "new"


def test_many_refusals_lead_to_one_reading_every_few_seconds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.content = {"key": "old"}
    secret = read()
    assert secret.get("key") == "old"
    for _ in range(5):
        secret.refresh()
    assert len(store.requests) == 2
    monkeypatch.setattr(secrets_manager, "REFRESH_SECONDS", 0.05)
    time.sleep(0.06)
    secret.refresh()
    assert len(store.requests) == 3


def test_a_refresh_may_be_the_first_reading(store: Store) -> None:
    store.content = {"key": "a"}
    secret = read()
    secret.refresh()
    assert secret.get("key") == "a"
    assert len(store.requests) == 1


def test_threads_that_need_the_secret_at_once_have_it_read_once(store: Store) -> None:
    store.content, store.delay = {"key": "a"}, 0.1
    secret = read()
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: secret.get("key"), range(64))) == {"a"}
    assert len(store.requests) == 1


def test_threads_that_see_a_refusal_at_once_all_have_the_new_value_after_one_reading(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets_manager, "REFRESH_SECONDS", 60)  # on a busy machine at once may take long
    store.content = {"key": "old"}
    secret = read()
    assert secret.get("key") == "old"
    store.content, store.delay = {"key": "new"}, 0.1

    def renew(_: int) -> str | None:
        secret.refresh()
        return secret.get("key")

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(renew, range(16))) == {"new"}
    assert len(store.requests) == 2


def test_nobody_waits_for_a_renewal_but_the_thread_that_makes_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets_manager, "KEEP_SECONDS", 0)
    store.content = {"key": "old"}
    secret = read()
    assert secret.get("key") == "old"
    store.content, store.delay = {"key": "new"}, 1.0
    renewal = threading.Thread(target=secret.get, args=("key",))
    renewal.start()
    time.sleep(0.1)
    begun_at = time.monotonic()
    assert secret.get("key") == "old"
    assert time.monotonic() - begun_at < 0.7
    renewal.join()
    assert len(store.requests) == 2


def test_a_thread_that_comes_late_to_a_renewal_does_not_repeat_it(store: Store) -> None:
    store.content = {"key": "a"}
    secret = read()
    assert secret.get("key") == "a"
    old = secrets_manager._Known({"key": "old"}, 0)
    assert secret._renew(old).values == {"key": "a"}
    assert len(store.requests) == 1


def test_what_is_known_stays_while_it_cannot_be_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(secrets_manager, "KEEP_SECONDS", 0)
    store.content = {"key": "known"}
    secret = read()
    assert secret.get("key") == "known"
    store.refusal = (400, "AccessDeniedException")
    for _ in range(5):
        assert secret.get("key") == "known"
    assert len(store.requests) == 2  # and is not tried all the time
    (record,) = [record for record in caplog.records if record.name == "service.secrets_manager"]
    assert record.levelname == "WARNING"
    assert record.reason == "the secret 'headgate' cannot be read: AccessDeniedException"  # type: ignore[attr-defined]
    monkeypatch.setattr(secrets_manager, "REFRESH_SECONDS", 0)
    with pytest.raises(SecretUnusable):
        secret.refresh()
    assert secret.get("key") == "known"


def test_a_failure_is_not_repeated_for_every_caller(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.refusal = (400, "AccessDeniedException")
    secret = read()
    texts = []
    for _ in range(5):
        with pytest.raises(SecretUnusable) as failure:
            secret.get("key")
        texts.append(str(failure.value))
    assert set(texts) == {"the secret 'headgate' cannot be read: AccessDeniedException"}
    assert len(store.requests) == 1
    store.refusal, store.content = None, {"key": "a"}
    monkeypatch.setattr(secrets_manager, "FIRST_RETRY_SECONDS", 0)
    assert secret.get("key") == "a"


REFUSALS = {
    "no right": ((400, "AccessDeniedException"), SecretUnusable, "AccessDeniedException"),
    "no such secret": ((400, "ResourceNotFoundException"), SecretUnusable, "ResourceNotFoundException"),
    "deleted": ((400, "InvalidRequestException"), SecretUnusable, "InvalidRequestException"),
    "no key to decrypt it": ((400, "DecryptionFailure"), SecretUnusable, "DecryptionFailure"),
    "a token that expired": ((400, "ExpiredTokenException"), SecretUnusable, "ExpiredTokenException"),
    "too often": ((400, "ThrottlingException"), SecretUnavailable, "ThrottlingException"),
    "too many": ((429, "TooManyRequestsException"), SecretUnavailable, "TooManyRequestsException"),
    "an outage": ((500, "InternalServiceError"), SecretUnavailable, "InternalServiceError"),
    "a code that is no code": ((400, "hunter2 is wrong"), SecretUnusable, "an error without a code"),
}


@pytest.mark.parametrize(("refusal", "kind", "code"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_told_by_its_code_alone(
    store: Store, refusal: tuple[int, str], kind: type[Exception], code: str
) -> None:
    store.refusal = refusal
    with pytest.raises(kind) as failure:
        read().get("key")
    assert reason_of(failure.value) == f"the secret 'headgate' cannot be read: {code}"
    assert failure.value.__context__ is None
    assert failure.value.__cause__ is None
    assert len(store.requests) == (2 if kind is SecretUnavailable else 1)


def test_a_missing_secret_is_a_matter_of_configuration_and_an_outage_is_not(aws: Moto) -> None:
    with pytest.raises(ConfigError, match="the secret 'nothing' cannot be read: ResourceNotFoundException"):
        read("nothing").get("key")
    assert not issubclass(SecretUnavailable, ConfigError)
    assert issubclass(SecretUnavailable, ServiceUnavailable)


def test_a_failure_that_passes_is_not_noticed(store: Store) -> None:
    store.content, store.refusal, store.failures = {"key": "a"}, (500, "InternalServiceError"), 1
    assert read().get("key") == "a"
    assert len(store.requests) == 2


BODIES = {
    "HTML": (200, b"<html>hunter2</html>", SecretUnusable, "holds no text"),
    "half an answer": (200, b'{"SecretString": "{\\"key\\": \\"hunter2', SecretUnusable, "holds no text"),
    "nothing": (200, b"", SecretUnusable, "holds no text"),
    "no text": (200, b'{"SecretString": ["hunter2"]}', SecretUnusable, "holds no text"),
    "a list": (200, b'["hunter2"]', SecretUnavailable, "cannot be read: the answer is not one of AWS"),
    "bytes": (200, b"\xff\xfehunter2", SecretUnavailable, "cannot be read: the answer is not one of AWS"),
    "a moment that is none": (
        200,
        b'{"SecretString": "{}", "CreatedDate": "hunter2"}',
        SecretUnavailable,
        "cannot be read: the answer is not one of AWS",
    ),
    "an error of another kind": (
        400,
        b'{"__type": 5, "message": "hunter2"}',
        SecretUnavailable,
        "cannot be read: the answer is not one of AWS",
    ),
    "a proxy's error": (502, b"<html>hunter2</html>", SecretUnavailable, "cannot be read: 502"),
    "a proxy's refusal": (403, b"<html>hunter2</html>", SecretUnusable, "cannot be read: 403"),
}


@pytest.mark.parametrize(("status", "body", "kind", "text"), BODIES.values(), ids=BODIES)
def test_an_answer_that_is_not_aws_s_is_told_without_a_word_of_it(
    store: Store, status: int, body: bytes, kind: type[Exception], text: str
) -> None:
    store.status, store.body = status, body
    with pytest.raises(kind) as failure:
        read().get("key")
    assert reason_of(failure.value) == f"the secret 'headgate' {text}"
    assert failure.value.__context__ is None
    assert "hunter2" not in "".join(traceback.format_exception(failure.value))


def test_a_server_that_hangs_up_is_an_outage(store: Store) -> None:
    store.is_gone = True
    with pytest.raises(SecretUnavailable) as failure:
        read().get("key")
    assert failure.value.reason == "the secret 'headgate' cannot be read: ConnectionClosedError"


def test_nobody_there_is_an_outage(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    lead_to("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(SecretUnavailable, match="temporarily") as failure:
        read().get("key")
    assert failure.value.reason == "the secret 'headgate' cannot be read: EndpointConnectionError"


def test_an_answer_is_waited_for_until_the_deadline_and_no_longer(store: Store) -> None:
    store.delay = 5
    read_it = read()
    deadline.start(3)
    begun_at = time.monotonic()
    with pytest.raises(SecretUnavailable) as failure:
        read_it.get("key")
    assert 1.9 < time.monotonic() - begun_at < 3.6  # making a client takes its time, too
    assert len(store.requests) == 2
    assert failure.value.reason == "the secret 'headgate' cannot be read: ReadTimeoutError"
    deadline.start(0)
    with pytest.raises(SecretUnavailable, match="temporarily") as failure:
        read().get("key")
    assert failure.value.reason == "no time was left to read the secret 'headgate'"


def test_an_answer_is_waited_for_a_few_seconds_without_a_deadline(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets_manager, "CALL_SECONDS", 3)
    store.delay = 5
    begun_at = time.monotonic()
    with pytest.raises(SecretUnavailable):
        read().get("key")
    assert time.monotonic() - begun_at < 3.6


def test_a_thread_waits_for_another_s_reading_no_longer_than_its_own_deadline(store: Store) -> None:
    store.content, store.delay = {"key": "a"}, 1.0
    secret = read()
    first = threading.Thread(target=secret.get, args=("key",))
    first.start()
    time.sleep(0.1)
    deadline.start(0.2)
    begun_at = time.monotonic()
    with pytest.raises(SecretUnavailable) as failure:
        secret.get("key")
    assert time.monotonic() - begun_at < 0.9
    assert failure.value.reason == "the secret 'headgate' was not there before the deadline"
    first.join()
    deadline.clear()
    assert secret.get("key") == "a"


def test_without_credentials_the_error_says_so(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(SecretUnusable, match="the secret 'headgate' cannot be read: NoCredentialsError"):
        read().get("key")


def test_without_a_region_the_error_says_so(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SecretUnusable, match="the secret 'headgate' cannot be asked for: NoRegionError"):
        SecretsManager("headgate", None).get("key")


SHAPES = {
    "no JSON": "hunter2",
    "half": '{"key": "hunter2',
    "a text": '"hunter2"',
    "a list": '["hunter2"]',
    "null": "null",
    "nothing": "",
    "depths": '{"hunter2":' + "[" * 100_000,
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_a_secret_of_another_shape_is_told_without_a_word_of_it(store: Store, text: str) -> None:
    store.text = text
    with pytest.raises(SecretUnusable) as failure:
        read().get("key")
    assert str(failure.value) == "the secret 'headgate' must be a JSON object of texts"
    assert failure.value.__context__ is None


def test_a_binary_secret_is_told(aws: Moto) -> None:
    name = aws.create(key="a")
    aws.client.put_secret_value(SecretId=name, SecretBinary=b'{"key": "a"}')
    with pytest.raises(SecretUnusable, match="holds no text"):
        read(name).get("key")


def test_a_missing_key_is_told_with_the_secret_s_name(store: Store) -> None:
    store.content = {"present": "hunter2", "empty": "", "null": None}
    secret = read()
    for key in ("absent", "empty", "null"):
        assert secret.get(key) is None
        with pytest.raises(SecretUnusable) as failure:
            secret.require(key)
        assert str(failure.value) == f"{key} is missing in the secret 'headgate'"
    assert secret.keys() == ("present",)


@pytest.mark.parametrize("value", [5432, True, 1.5, ["hunter2"], {"a": "hunter2"}, "hunter2\0", "\ud800hunter2"])
def test_a_value_that_is_no_text_is_told_when_it_is_asked_for_and_not_before(store: Store, value: Any) -> None:
    """RDS writes the port as a number, which is nobody's business here."""
    store.content = {"key": "a", "port": value}
    secret = read()
    assert secret.get("key") == "a"
    with pytest.raises(SecretUnusable) as failure:
        secret.get("port")
    assert str(failure.value) == "port in the secret 'headgate' must be a text"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the log says where LOG_LEVEL is debug."""
    root, service = logging.getLogger(), logging.getLogger("service")
    before = (root.handlers[:], root.level, service.level)
    logs.configure("DEBUG")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    yield handler.setStream(io.StringIO()) and handler.stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    service.setLevel(before[2])


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it carries on."""
    yield error
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield from chain(other)


def told(error: BaseException) -> str:
    parts = [f"{each!r} {each} {each.args} {vars(each)}" for each in chain(error)]
    return " ".join([*parts, *traceback.format_exception(error)])


marker = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8, max_size=40).map("sEcReT{}".format)


@pytest.mark.parametrize("way", ["shape", "half", "type", "refused", "outage", "html", "missing", "stale"])
@hypothesis_settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=marker)
def test_no_value_is_in_any_log_exception_or_representation(
    store: Store, written: io.StringIO, value: str, way: str
) -> None:
    spellings = {value, json.dumps(value)[1:-1], repr(value)[1:-1]}
    store.content, store.text, store.body, store.refusal = {"key": value, "other": [value]}, None, None, None
    secret = read()
    said = []
    if way in ("refused", "outage", "missing", "stale"):
        assert secret.get("key") == value
    if way == "shape":
        store.text = json.dumps([value])
    elif way == "half":
        store.text = json.dumps({"key": value})[:-1]
    elif way == "html":
        store.body = f"<p>{value}</p>".encode()
    elif way in ("refused", "stale"):
        store.refusal = (400, "AccessDeniedException")
    elif way == "outage":
        store.refusal = (500, "InternalServiceError")
    if way == "stale":
        secret._known = secrets_manager._Known(secret._known.values, 0)  # type: ignore[union-attr]
        assert secret.get("key") == value
    else:
        actions = {"type": lambda: secret.get("other"), "missing": lambda: secret.require("nothing")}
        with pytest.raises((SecretUnusable, SecretUnavailable)) as failure:
            actions.get(way, secret.refresh)()
        logging.getLogger("service.test").error("it failed", exc_info=failure.value)
        said.append(told(failure.value))
    said += [repr(secret), str(secret), repr([secret]), written.getvalue()]
    assert len(written.getvalue()) > 0
    for spelling in spellings:
        assert all(spelling not in text for text in said)
