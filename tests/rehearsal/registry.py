"""A registry of images, over TLS on loopback. Docker pushes to it as it does to ECR, and gets its digests."""

from __future__ import annotations

from tests.docker import engine
from tests.rehearsal import aws
from tests.rehearsal.certificates import Authority
from tests.rehearsal.containers import Containers

IMAGE = "registry:2"
PORT = 5000
FOLDER = "/tls"


def start(containers: Containers, authority: Authority) -> str:
    """Start the registry; return its name as images have it. Docker takes loopback's certificates as they are."""
    certificate, key = authority.issue("registry", "127.0.0.1", "localhost")
    name = containers.start(
        "registry",
        IMAGE,
        port=PORT,
        options=(
            *("--volume", f"{certificate.parent}:{FOLDER}:ro"),
            *("--env", f"REGISTRY_HTTP_TLS_CERTIFICATE={FOLDER}/{certificate.name}"),
            *("--env", f"REGISTRY_HTTP_TLS_KEY={FOLDER}/{key.name}"),
        ),
    )
    port = engine.port_of(name, PORT)
    engine.wait_for(lambda: aws.answers(f"https://127.0.0.1:{port}/v2/", authority.trust()), "the registry answers")
    return f"127.0.0.1:{port}"


def forget(name: str) -> None:
    """Take back the names that images have got for a registry. What the builder keeps for the next build stays."""
    named = engine.run("docker", "image", "ls", "--quiet", "--filter", f"reference={name}/*").stdout.split()
    for image in dict.fromkeys(named):
        known = engine.inspect(image, "image")
        for one in [*known["RepoTags"], *known["RepoDigests"]]:
            if one.startswith(f"{name}/"):
                engine.run("docker", "image", "rm", one)
