"""What can go wrong with the partner.

    DeliveryError
    ├── BatchRefused                400, 413, 422: something in the batch; half of it may be taken
    ├── Denied                      401 with a new token, 403, or a token that is not given
    ├── Refused                     any other answer that asking again will not change, a redirect among them
    ├── Unavailable                 the retries are spent
    └── OutOfTime                   waiting would go beyond the deadline: to be continued after `seconds`
        └── Stopped                 nobody waits for it any more
    Again                           not this answer, but perhaps the next one
    └── Throttled                   and until then everybody waits: see `pace`

Each reason may be shown to anybody. After `Unavailable`, `OutOfTime` and `Stopped` the partner may have taken the batch
all the same: it is to be sent again as it was, with its key.
"""

from __future__ import annotations

from service.outgoing.failures import Again as Again
from service.outgoing.failures import CallFailed
from service.outgoing.failures import Denied as Denied
from service.outgoing.failures import OutOfTime as OutOfTime
from service.outgoing.failures import Refused as Refused
from service.outgoing.failures import Unavailable as Unavailable

DeliveryError = CallFailed


class BatchRefused(DeliveryError):
    """The partner does not take the batch as it is, which was sent `attempts` times. `reason` is in its own words."""

    def __init__(self, status: int, reason: str, attempts: int = 1) -> None:
        super().__init__(reason)
        self.status = status
        self.attempts = attempts


class Stopped(OutOfTime):
    """Sending was stopped from outside."""


class Throttled(Again):
    """The partner wants fewer requests."""
