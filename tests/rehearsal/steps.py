"""The steps of a rehearsal, in their order. Each makes targets as the pipeline does, and asserts what comes of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.rehearsal import jobs, leftovers, serves
from tests.rehearsal.caller import Steady
from tests.rehearsal.checkout import SECOND_VERSION
from tests.rehearsal.environment import STATE_BUCKET, Environment
from tests.rehearsal.outcome import check

SWITCH_SECONDS = 600  # the longest that requests are sent for while a version replaces another

Notes = Iterator[str]


@dataclass(frozen=True)
class Step:
    """One step. `work` yields what it has seen, in a few words each.

    Steps of an environment follow each other, beside those of the other one; a step `alone` has no other beside it.
    """

    name: str
    title: str
    environment: str
    work: Callable[[Environment], Notes]
    alone: bool = False


def bootstrap(environment: Environment) -> Notes:
    """Prepare the account, twice: the second time changes nothing."""
    environment.make("bootstrap")
    environment.make("bootstrap")
    environment.terraform("foundation", "validate")  # fetches the provider, once for all that run beside each other
    s3, iam = environment.cloud.client("s3"), environment.cloud.client("iam")
    versioning = s3.get_bucket_versioning(Bucket=STATE_BUCKET).get("Status")
    check(versioning == "Enabled", "the state bucket keeps versions", versioning)
    access = s3.get_public_access_block(Bucket=STATE_BUCKET)["PublicAccessBlockConfiguration"]
    check(all(access.values()), "the state bucket is private", access)
    providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    check(len(providers) == 1, "GitHub is an identity provider, once", providers)
    yield "done twice, made once"


def infrastructure(environment: Environment) -> Notes:
    """Phase 1 from nothing; its database has the two users."""
    environment.make("infrastructure")
    check(environment.entry.resources["created"] > 0, "Terraform has made the foundation")
    database = environment.outputs("foundation")["database"]
    users = [database["app_user"], database["migration_user"]]
    found = environment.rows("SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles")
    rights = {name: rights for name, *rights in found if name in users}
    check(rights == {user: [True, False, False, False] for user in users}, "the users may sign in, and no more", rights)
    yield f"database users {database['app_user']} and {database['migration_user']}"


def publish(environment: Environment) -> Notes:
    """Phase 2: the image, once a commit."""
    environment.digest = environment.publish()
    output = environment.make("publish")
    check(
        f"digest={environment.digest}" in output and "is there" in output, "the image of a commit is built once", output
    )
    yield f"image {environment.digest[:19]}…"
    yield "the second time it is there"


def release(environment: Environment) -> Notes:
    """Phase 3: a version, migrated, live, and seen to serve."""
    before = environment.live_version() if environment.url else None
    environment.make("release", DIGEST=environment.digest)
    state = environment.outputs("application")
    environment.url = state["url"]
    version = environment.live_version()
    check(version == state["version"] and version != before, "the new version is live", state)
    health = serves.expect(environment.caller(environment.url).get("/health"), 200, "the health of what is live")
    check(health["commit"] == environment.checkout.commit_id(), "the commit that serves is the one released", health)
    serves.expect(environment.caller(environment.url).get("/ready"), 200, "the database has all migrations")
    yield f"version {version} serves {health['commit'][:7]}"


def second(environment: Environment) -> Notes:
    """A second commit: its plans delete nothing, and requests go on to be answered while it takes over."""
    environment.checkout.write_second()
    environment.digest = environment.publish()
    before = environment.live_version()
    deleted = environment.deletions("foundation")
    deleted += environment.deletions("application", image_digest=environment.digest, live_version=before)
    check(not deleted, "the plans of a second release delete nothing", *deleted)
    yield "its plans delete nothing"
    caller = environment.caller(environment.url)
    targets = itertools.cycle(("/health", "/ready"))  # the one tells its version, the other needs the database
    with Steady(lambda: caller.get(next(targets)), SWITCH_SECONDS) as requests:
        yield from release(environment)
    check(
        environment.entry.resources["destroyed"] == 0, "the second release destroys nothing", environment.entry.line()
    )
    check(not requests.failures, f"{len(requests.failures)} requests failed during the switch", *requests.failures[:5])
    check(not requests.is_exhausted, f"the switch takes less than {SWITCH_SECONDS} s")
    versions = {content["version"] for content in requests.contents if "version" in content}
    check(SECOND_VERSION in versions and len(versions) == 2, "both versions were seen during the switch", versions)
    migrated = environment.rows("SELECT to_regclass('rehearsed') IS NOT NULL")
    check(migrated == [(True,)], "the migration of the second commit has run", migrated)
    yield f"all {len(requests.contents)} requests during the switch answered"


def rollback(environment: Environment) -> Notes:
    """By hand: the version before serves again, and then the newer one."""
    newer = environment.live_version()
    environment.make("rollback")
    older = environment.live_version()
    check(int(older) < int(newer), f"an earlier version than {newer} is live", older)
    environment.make("rollback", VERSION=newer)
    check(environment.live_version() == newer, f"version {newer} is live again")
    yield f"version {older}, and {newer} again"


def broken(environment: Environment) -> Notes:
    """A version that does not serve is taken back."""
    serving, digest = environment.checkout.commit_id(), environment.digest
    before = environment.live_version()
    environment.checkout.write_broken()
    output = environment.make("release", code=1, DIGEST=environment.publish())
    check("expected 200" in output, "the release fails at its smoke test", output[-2000:])
    check(environment.live_version() == before, f"version {before} is live again", environment.live_version())
    health = serves.expect(environment.caller(environment.url).get("/health"), 200, "the health of what is live")
    check(health["commit"] == serving, "the commit that served before serves again", health)
    environment.checkout.switch_to(serving)
    environment.digest = digest
    yield f"the release failed, version {before} serves again"


def unchanged(environment: Environment) -> Notes:
    """What stands is what is written."""
    environment.make("plan")
    yield "no changes"


def drift(environment: Environment) -> Notes:
    """What somebody changes by hand is seen, and repaired by the next release."""
    gateway, watch = environment.cloud.client("apigatewayv2"), environment.cloud.client("cloudwatch")
    api = environment.outputs("application")["api_id"]
    (route,) = [found for found in gateway.get_routes(ApiId=api)["Items"] if found["RouteKey"] == "GET /ready"]
    gateway.delete_route(ApiId=api, RouteId=route["RouteId"])
    alarm = watch.describe_alarms(AlarmNamePrefix=f"headgate-{environment.name}")["MetricAlarms"][0]["AlarmName"]
    watch.delete_alarms(AlarmNames=[alarm])
    told = environment.make("plan", code=2)
    check(
        "GET /ready" in told and "aws_cloudwatch_metric_alarm" in told, "the plan names what is missing", told[-2000:]
    )
    environment.make("release", DIGEST=environment.digest)
    serves.expect(environment.caller(environment.url).get("/ready"), 200, "the route is there again")
    environment.make("plan")
    yield "a deleted route and a deleted alarm seen, and made again"


def teardown(environment: Environment) -> Notes:
    """Take the environment down. One that is protected is refused first."""
    values = f"terraform/environments/{environment.name}/foundation.tfvars"
    if "deletion_protection = true" in " ".join((environment.checkout.path / values).read_text().split()):
        refused = environment.make("teardown", code=1, CONFIRM=environment.name)
        check("deletion protection is on" in refused, "a protected environment is not taken down", refused)
        yield "refused while it is protected"
        environment.checkout.edit(values, r"^deletion_protection(\s*)=.*$", "deletion_protection = false")
        environment.make("infrastructure")
    environment.make("teardown", CONFIRM=environment.name)


def nothing_left(environment: Environment) -> Notes:
    """AWS has what bootstrap made, and no container of a function or a database runs."""
    left = leftovers.found(environment.cloud, STATE_BUCKET)
    check(not left, f"{len(left)} resources are left", *left)
    running = [name for name in environment.cloud.containers.running() if not re.search("-(registry|outside)-", name)]
    check(not running, "containers still run", *running)
    yield "the state bucket, the identity provider, and no container"


def _deployment(name: str) -> list[Step]:
    return [
        Step(f"{name}-infrastructure", f"{name}: phase 1, infrastructure", name, infrastructure),
        Step(f"{name}-publish", f"{name}: phase 2, image", name, publish),
        Step(f"{name}-release", f"{name}: phase 3, release", name, release),
        Step(f"{name}-requests", f"{name}: requests through API Gateway", name, serves.requests),
        Step(f"{name}-jobs", f"{name}: jobs through the queue", name, jobs.messages),
        Step(f"{name}-plan", f"{name}: nothing drifts", name, unchanged),
    ]


STEPS = [
    Step("bootstrap", "the account, once", "dev", bootstrap, alone=True),
    *_deployment("dev"),
    Step("dev-second", "dev: a second commit takes over", "dev", second),
    Step("dev-rollback", "dev: back by hand, and forth", "dev", rollback),
    Step("dev-broken", "dev: a version that does not serve", "dev", broken),
    Step("dev-drift", "dev: changes by hand are seen", "dev", drift),
    Step("dev-teardown", "dev: taken down", "dev", teardown),
    *_deployment("prod"),
    Step("prod-teardown", "prod: taken down", "prod", teardown),
    Step("leftovers", "nothing is left", "prod", nothing_left, alone=True),
]


def until(name: str) -> list[Step]:
    """Return the steps that are needed up to one, with it."""
    end = next(index for index, step in enumerate(STEPS) if step.name == name)
    last = STEPS[end]
    return [step for step in STEPS[: end + 1] if last.alone or step.alone or step.environment == last.environment]
