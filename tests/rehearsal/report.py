"""What a rehearsal tells: a line for each step as it is done, and the whole as one table at the end."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.rehearsal.outcome import Failed

_APPLIED = re.compile(r"Resources: (?:\d+ imported, )?(\d+) added, (\d+) changed, (\d+) destroyed")
_DESTROYED = re.compile(r"Destroy complete! Resources: (\d+) destroyed")


@dataclass
class Entry:
    """A step: how long it took, what Terraform did in it, and what was seen."""

    name: str
    title: str
    seconds: float = 0
    resources: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    outcome: str = "…"

    def line(self) -> str:
        """Return all that is known of it, in one line."""
        did = ", ".join(f"{count} {what}" for what, count in self.resources.items() if count)
        return "; ".join(filter(None, (did, *self.notes)))


def applied(output: str) -> Counter[str]:
    """Count what Terraform says in an output that it has created, changed and destroyed."""
    found: Counter[str] = Counter()
    for added, changed, destroyed in _APPLIED.findall(output):
        found += Counter(created=int(added), changed=int(changed), destroyed=int(destroyed))
    for destroyed in _DESTROYED.findall(output):
        found += Counter(destroyed=int(destroyed))
    return found


class Report:
    """Collects the steps. Writes to standard output, and at the end to a file."""

    def __init__(self, names: Iterable[str]) -> None:
        self.entries: list[Entry] = []
        self._order = list(names)
        self._lock = threading.Lock()
        self._started_at = time.monotonic()

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Entry]:
        """Note a step while it is done."""
        entry = Entry(name, title)
        with self._lock:
            self.entries.append(entry)
            say(f"[{len(self.entries):2}/{len(self._order)}] {title} …")
        started_at = time.monotonic()
        try:
            yield entry
        except Failed:
            entry.outcome = "FAILED"
            raise
        except BaseException:
            entry.outcome = "ended"
            raise
        else:
            entry.outcome = "ok"
        finally:
            entry.seconds = time.monotonic() - started_at
            say(
                f"        {title}: {entry.outcome} in {entry.seconds:.0f} s{': ' if entry.line() else ''}{entry.line()}"
            )

    @property
    def is_complete(self) -> bool:
        """Whether every step has worked."""
        return [entry.outcome for entry in self.entries] == ["ok"] * len(self._order)

    def table(self, heading: list[str]) -> str:
        """Return all of it in the order of the steps, to be read."""
        ordered = sorted(self.entries, key=lambda entry: self._order.index(entry.name))
        width = max((len(entry.title) for entry in self.entries), default=0)
        lines = [*heading, "", f"{'step':{width}}  {'':6}  {'took':>6}  created, changed, destroyed; seen"]
        lines += [
            f"{entry.title:{width}}  {entry.outcome:6}  {entry.seconds:4.0f} s  {entry.line()}" for entry in ordered
        ]
        lines.append(f"{'':{width}}  {'':6}  {time.monotonic() - self._started_at:4.0f} s  in all")
        return "\n".join(line.rstrip() for line in lines)


def say(text: str, file: Path | None = None) -> None:
    """Print a text at once; append it to a file, where there is one."""
    print(text, flush=True)
    if file:
        with file.open("a") as output:
            output.write(text + "\n")
