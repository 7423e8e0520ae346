"""The emulated AWS without Terraform, and a function that tells what it is given."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker import engine
from tests.rehearsal import aws
from tests.rehearsal.cloud import Cloud, emulated
from tests.required import skip_without

HERE = Path(__file__).parent
DOCKERFILE = f"""\
FROM {engine.BASE}
COPY talkative.py /talkative.py
ENTRYPOINT ["python3", "/talkative.py"]
"""


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Skip where no Docker answers, unless it is required."""
    skip_without("DOCKER", engine.why_not())


@pytest.fixture(scope="session")
def cloud(docker_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One emulated AWS for all tests."""
    folder = tmp_path_factory.mktemp("cloud")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # containers have users of their own
    with emulated(f"headgate-rehearsal-test-{os.getpid()}", folder, folder / "logs") as cloud:
        yield cloud


@pytest.fixture(scope="session")
def image(cloud: Cloud) -> str:
    """The image of the function, pushed; by its digest."""
    tag = f"{cloud.registry}/talkative:test"
    subprocess.run(("docker", "build", "--quiet", "--tag", tag, "-"), input=_context(), check=True, capture_output=True)
    engine.docker("push", tag, timeout=120)
    return str(next(name for name in engine.inspect(tag, "image")["RepoDigests"] if name.startswith(cloud.registry)))


def _context() -> bytes:
    """Return what the image is built from, as an archive."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in (
            ("Dockerfile", DOCKERFILE.encode()),
            ("talkative.py", (HERE / "talkative.py").read_bytes()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


@pytest.fixture(scope="session")
def role(cloud: Cloud) -> str:
    """A role that a function may have."""
    policy = {"Version": "2012-10-17", "Statement": []}
    made = cloud.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument=json.dumps(policy))
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="session")
def function(cloud: Cloud, image: str, role: str) -> str:
    """A function of two versions that differ in their environment; its alias `live` is the first."""
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName="talkative",
        PackageType="Image",
        Code={"ImageUri": image},
        Role=role,
        Timeout=20,
        MemorySize=256,
        Environment={"Variables": {"WORD": "first"}},
        Publish=True,
    )
    functions.create_alias(FunctionName="talkative", Name="live", FunctionVersion="1")
    functions.update_function_configuration(
        FunctionName="talkative", Environment={"Variables": {"WORD": "second", "OTHER": "word"}}
    )
    assert functions.publish_version(FunctionName="talkative")["Version"] == "2"
    return "talkative"


def arn(function: str, qualifier: str) -> str:
    """Return the ARN of a function's version or alias."""
    return f"arn:aws:lambda:{aws.REGION}:{aws.ACCOUNT}:function:{function}:{qualifier}"


@pytest.fixture(scope="session")
def cluster(cloud: Cloud) -> dict[str, Any]:
    """A cluster without a proxy."""
    made = cloud.client("rds").create_db_cluster(
        DBClusterIdentifier="plain",
        Engine="aurora-postgresql",
        MasterUsername="keeper",
        ManageMasterUserPassword=True,
        DatabaseName="headgate",
        EnableHttpEndpoint=True,
    )
    return dict(made["DBCluster"])
