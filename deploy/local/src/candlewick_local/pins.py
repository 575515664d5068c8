"""`python -m candlewick_local.pins`: prints a lock of Kafka's jars, made anew. Touches the Maven registry."""

import hashlib
import sys
import tempfile
from pathlib import Path

from jgo import resolve

WANTED = "org.apache.kafka:kafka_2.13:4.1.1+org.slf4j:slf4j-simple:1.7.36"
"""The broker, and what lets it log; everything else follows from what they declare."""


def lock_lines() -> list[str]:
    """One line for each jar, as `packages.parse_pins` reads them."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for artifact in resolve(WANTED):
            artifact.context.repo_cache = Path(folder)
            digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
            lines.append(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} sha256:{digest}")
    return sorted(lines)


if __name__ == "__main__":
    sys.stdout.write("\n".join(lock_lines()) + "\n")
