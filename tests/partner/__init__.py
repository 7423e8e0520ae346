"""A partner that is none: OAuth and `POST /records` on loopback, with faults on request and a record of every row."""

from tests.partner.faults import Fault, Faults
from tests.partner.records import Accepted
from tests.partner.stand_in import Partner

__all__ = ["Accepted", "Fault", "Faults", "Partner"]
