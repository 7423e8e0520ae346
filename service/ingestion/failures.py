"""What can go wrong with a source: `SourceError`, and below it what can go wrong with whoever is called."""

from __future__ import annotations

from service.outgoing.failures import ATTEMPTS as ATTEMPTS
from service.outgoing.failures import Again as Again
from service.outgoing.failures import CallFailed
from service.outgoing.failures import Denied as Denied
from service.outgoing.failures import OutOfTime as OutOfTime
from service.outgoing.failures import Refused as Refused
from service.outgoing.failures import Unavailable as Unavailable

SourceError = CallFailed
