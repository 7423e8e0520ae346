"""An Athena that is none: its real protocol over DuckDB, with S3 and Glue by moto, and faults on request."""

from tests.athena.emulator import Athena
from tests.athena.faults import Fault

__all__ = ["Athena", "Fault"]
