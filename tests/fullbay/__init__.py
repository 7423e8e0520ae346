"""A Fullbay that is none: both of its HTTP APIs on loopback, with invented data and faults on request."""

from tests.fullbay.faults import Applied, Fault
from tests.fullbay.random_faults import Faults
from tests.fullbay.stand_in import Fullbay

__all__ = ["Applied", "Fault", "Faults", "Fullbay"]
