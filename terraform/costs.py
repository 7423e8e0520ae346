"""What an environment costs in a month in which nobody uses it: printed as the table of terraform/README.md.

Every line follows from the environment's variables. `make costs` writes the table anew; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hcl2
from hcl2 import SerializationOptions

HERE = Path(__file__).parent
README = HERE / "README.md"
ENVIRONMENTS = ("dev", "prod")
HOURS = 730

# US dollars in us-east-1, as AWS's pricing pages had them in June 2026; other regions are up to a third dearer.
PRICES = {
    "Aurora capacity unit, hour": 0.12,
    "RDS Proxy, hour of each of at least 8 capacity units": 0.015,
    "NAT gateway, hour": 0.045,
    "public IPv4 address, hour": 0.005,
    "interface endpoint in one zone, hour": 0.01,
    "secret, month": 0.40,
    "Cognito client of a program, month": 6.00,
    "alarm, month": 0.10,
    "dashboard, month": 3.00,
    "provisioned gigabyte, second, x86_64": 0.0000041667,
    "provisioned gigabyte, second, arm64": 0.0000033334,
}
PROXY_UNITS = 8
ALARMS = {"dev": 14, "prod": 16}  # a test counts them in the plans

DEFAULTS = {"zones": 2, "endpoint_zones": 1, "interface_endpoints": (), "memory_mb": 1024, "provisioned_concurrency": 0}
_TABLE = re.compile(r"(?<=<!-- costs -->\n).*?(?=<!-- /costs -->)", re.DOTALL)


class Line(NamedTuple):
    """What is paid for, the variables that it follows from, and dollars a month."""

    what: str
    variables: str
    dollars: float


def variables(environment: str) -> dict[str, Any]:
    """Return what the files of an environment say, of both roots."""
    found: dict[str, Any] = {}
    for root in ("foundation", "application"):
        with (HERE / "environments" / environment / f"{root}.tfvars").open() as file:
            found |= hcl2.load(file, serialization_options=SerializationOptions(strip_string_quotes=True))
    return found


def lines(environment: str) -> Iterator[Line]:
    """Give what an idle environment pays for."""
    said = variables(environment)
    database = said["database"]
    network, function = DEFAULTS | said["network"], DEFAULTS | said["function"]
    units = database["min_capacity"] * database["instances"]
    yield Line(
        "Aurora, at its least capacity (0: it pauses)",
        "`database.min_capacity`, `instances`",
        units * HOURS * PRICES["Aurora capacity unit, hour"],
    )
    proxy = HOURS * PROXY_UNITS * PRICES["RDS Proxy, hour of each of at least 8 capacity units"]
    yield Line("RDS Proxy", "`database.enable_proxy`", proxy if database["enable_proxy"] else 0)
    gateways = {"none": 0, "single": 1, "per_zone": network["zones"]}[network["nat"]]
    hourly = PRICES["NAT gateway, hour"] + PRICES["public IPv4 address, hour"]
    yield Line("NAT gateways with their addresses", "`network.nat`, `zones`", gateways * HOURS * hourly)
    endpoints = len(network["interface_endpoints"]) * network["endpoint_zones"]
    yield Line(
        "Interface endpoints",
        "`network.interface_endpoints`, `endpoint_zones`",
        endpoints * HOURS * PRICES["interface endpoint in one zone, hour"],
    )
    clients = len(said["partners"]) + 1
    yield Line(
        "Cognito, a client for each partner and for the smoke test",
        "`partners`",
        clients * PRICES["Cognito client of a program, month"],
    )
    secrets = 3 + (2 if database["enable_proxy"] else 0)
    yield Line("Secrets", "`database.enable_proxy`", secrets * PRICES["secret, month"])
    second = PRICES[f"provisioned gigabyte, second, {function.get('architecture', 'x86_64')}"]
    yield Line(
        "Provisioned concurrency",
        "`function.provisioned_concurrency`, `memory_mb`",
        function["provisioned_concurrency"] * function["memory_mb"] / 1024 * HOURS * 3600 * second,
    )
    watching = ALARMS[environment] * PRICES["alarm, month"] + PRICES["dashboard, month"]
    yield Line("Alarms and the dashboard", "", watching)


def table() -> str:
    """Return the table, a column for each environment."""
    columns = {environment: list(lines(environment)) for environment in ENVIRONMENTS}
    text = f"| paid for while idle | variables | {' | '.join(ENVIRONMENTS)} |\n|---|---|{'---:|' * len(columns)}\n"
    for row in zip(*columns.values(), strict=True):
        dollars = " | ".join(f"{line.dollars:,.2f}" for line in row)
        text += f"| {row[0].what} | {row[0].variables} | {dollars} |\n"
    sums = (f"**{sum(line.dollars for line in column):,.2f}**" for column in columns.values())
    return f"{text}| **US dollars a month** | | {' | '.join(sums)} |\n"


def written() -> str:
    """Return the README with the table as it must be."""
    return _TABLE.sub(lambda _: table(), README.read_text())


if __name__ == "__main__":
    README.write_text(written())
