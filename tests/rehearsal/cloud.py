"""All that is emulated, put together, and the environment in which the deployment's own scripts find it.

scripts, terraform, aws ── AWS_ENDPOINT_URL ──▶ front ──▶ moto
                                                │  └──▶ PostgreSQL (Data API)
curl ── .curlrc: connect-to ──▶ gateway ────────┴──▶ containers of the function ──▶ PostgreSQL, front
docker ──▶ registry
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.docker import engine
from tests.postgres import free_port
from tests.rehearsal import aws, cognito, gateway, outside, registry, relay
from tests.rehearsal.certificates import Authority
from tests.rehearsal.containers import Containers
from tests.rehearsal.data_api import DataApi
from tests.rehearsal.database import Databases
from tests.rehearsal.front import Front
from tests.rehearsal.functions import Functions
from tests.rehearsal.serving import is_ours, serving
from tests.transports import ROOT

# What belongs to the person or the pipeline that starts a rehearsal, and would lead its scripts elsewhere.
NOT_OURS = ("AWS_", "TF_VAR_", "TF_CLI_ARGS", "TF_DATA_DIR", "TF_WORKSPACE", "GITHUB_", "MAKE", "MFLAGS")


@dataclass(frozen=True)
class Cloud:
    """The emulated AWS while it runs."""

    endpoint: str
    registry: str
    gateway_port: int
    containers: Containers
    databases: Databases
    tls: ssl.SSLContext
    authority: Path
    home: Path

    def client(self, service: str) -> Any:
        """Return a client of boto3."""
        return aws.client(service, self.endpoint)

    def environment(self) -> dict[str, str]:
        """Return the environment for the scripts: of this process, but for what would lead them out of here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        return {
            **kept,
            **aws.CREDENTIALS,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": aws.REGION,
            "AWS_DEFAULT_REGION": aws.REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "AWS_MAX_ATTEMPTS": "2",
            "CURL_HOME": str(self.home),
            "DOCKER_CONFIG": str(self.home / "docker"),
            "DOCKER_HOST": os.environ.get("DOCKER_HOST") or _engine_of_context(),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "TF_PLUGIN_CACHE_DIR": str(self.home / "plugins"),
        }


@contextmanager
def emulated(name: str, folder: Path, logs: Path) -> Iterator[Cloud]:
    """Emulate AWS while the block runs. `folder` is for what is needed meanwhile, `logs` for what is kept."""
    tls_folder, home = folder / "tls", folder / "home"
    for made in (tls_folder, home, home / "docker", home / "plugins", logs):
        made.mkdir(parents=True, exist_ok=True)
    authority = Authority(tls_folder)
    with ExitStack() as stack:
        moto = stack.enter_context(_moto(logs / "moto.log"))
        named: list[str] = []
        stack.callback(lambda: [registry.forget(registry_name) for registry_name in named])  # when no container runs
        containers = stack.enter_context(Containers(name, logs))
        images = registry.start(containers, authority)
        named.append(images)
        port = free_port()
        inside, address = _seen_by(containers, port)
        databases = Databases(containers, authority, moto, inside)
        functions = Functions(containers, moto, inside, authority.certificate)

        def sweep() -> None:
            functions.sweep()
            databases.sweep()

        front = Front(moto, images, functions, DataApi(databases, moto), sweep)
        stack.enter_context(serving(front.answer, port=port))
        if address:
            stack.enter_context(serving(front.answer, address, port))
        endpoint = f"http://127.0.0.1:{port}"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = (f"*{gateway.SUFFIX}", f"*{cognito.SUFFIX}", *outside.HOSTS)
        context.load_cert_chain(*authority.issue("gateway", *names))
        fullbay = stack.enter_context(outside.fullbay())
        answer = gateway.Gateway(endpoint, moto, outside.Outside(fullbay.url)).answer
        gateway_port = stack.enter_context(serving(answer, tls=context))
        if address:
            stack.enter_context(serving(answer, address, gateway_port, context))
        _start_relay(containers, address or "host.docker.internal", gateway_port)
        _lead_curl(home, gateway_port, authority.certificate)
        yield Cloud(
            endpoint, images, gateway_port, containers, databases, authority.trust(), authority.certificate, home
        )


@contextmanager
def _moto(log: Path) -> Iterator[str]:
    port = free_port()
    environment = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false", "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.rehearsal.moto_server", "-H", "127.0.0.1", "-p", str(port)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the rehearsal, which ends this one last
        )
        try:
            url = f"http://127.0.0.1:{port}"
            engine.wait_for(lambda: aws.answers(f"{url}/moto-api/"), "moto answers", 60)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _seen_by(containers: Containers, port: int) -> tuple[str, str | None]:
    """Return the URL of a port of this machine for containers, and the address where that has to be listened on.

    With Docker Engine on Linux it is the address of their network, which is nobody else's. Where Docker runs in a
    machine of its own it leads a name to our loopback.
    """
    address = containers.gateway()
    if is_ours(address):
        return f"http://{address}:{port}", address
    return f"http://host.docker.internal:{port}", None


def _start_relay(containers: Containers, host: str, port: int) -> None:
    """Let the containers find the gateway under the names of hosts beyond AWS."""
    program = Path(relay.__file__)
    containers.start(
        "outside",
        engine.BASE,
        *("python", f"/{program.name}", "443", host, str(port)),
        port=443,
        options=(
            *(option for name in outside.HOSTS for option in ("--network-alias", name)),
            *("--add-host", "host.docker.internal:host-gateway", "--volume", f"{program}:/{program.name}:ro"),
        ),
    )


def _lead_curl(home: Path, port: int, authority: Path) -> None:
    """Let curl find the gateway behind every host's port 443: none of its requests leaves this machine."""
    lines = (f'connect-to = ":443:127.0.0.1:{port}"', f'cacert = "{authority}"', 'noproxy = "*"')
    (home / ".curlrc").write_text("\n".join((*lines, "")))


def _engine_of_context() -> str:
    """Return where Docker's command finds its engine, which it reads in a folder that the scripts do not see."""
    return engine.docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
