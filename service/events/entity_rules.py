"""What the entities of each type must look like, where EVENT_VALIDATION=strict."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, ValidationError, fields, validate

from service.validation import Flag, Number, StrictSchema, Text, Timestamp

LOAN_STATUSES = ("active", "paid_off", "defaulted", "cancelled")
VIN = r"[A-HJ-NPR-Z0-9]{17}\Z"


def _string(**kwargs: Any) -> fields.String:
    return fields.String(required=True, **kwargs)


def _cents(**kwargs: Any) -> Number:
    return Number(low=0, places=2, required=True, **kwargs)


class TextOrObject(fields.Field[Any]):
    """A string, or an object with more about the same thing."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, (str, dict)):
            raise ValidationError("Must be a text or an object")
        return value


class _EntityRules(StrictSchema):
    id = Text(required=True, empty="Missing data for required field.")

    class Meta:
        unknown = EXCLUDE


class Car(_EntityRules):
    vin = _string(validate=validate.Regexp(VIN, error="Must be 17 of A-Z and 0-9, without I, O and Q"))
    make = _string()
    model = _string()
    year = Number(1900, 2030, places=0, required=True)
    color = _string()
    mileage = Number(0, 999_999, places=0, required=True)
    lastServiceDate = Timestamp(required=True)
    totalBalance = Number(low=0, required=True)
    lastLoanPaymentDate = Timestamp(required=True)
    owner = TextOrObject(required=True)


class Loan(_EntityRules):
    carId = _string()
    financialInstitution = TextOrObject(required=True)
    balance = _cents()
    lastPaidDate = Timestamp(required=True)
    loanAmount = _cents()
    interestRate = Number(0, 1, required=True)
    termMonths = Number(1, 480, places=0, required=True)
    startDate = Timestamp(required=True)
    status = _string(validate=validate.OneOf(LOAN_STATUSES, error="Must be one of {choices}"))
    monthlyPayment = _cents()


class LoanPayment(_EntityRules):
    loanId = _string()
    amount = _cents()
    paymentDate = Timestamp(required=True)


class ServiceRecord(_EntityRules):
    carId = _string()
    serviceDate = Timestamp(required=True)
    amountPaid = _cents()
    dealerId = _string()
    dealerName = _string()
    mileageAtService = Number(low=0, required=True)
    description = _string()


class PartUsed(_EntityRules):
    serviceId = _string()
    partNumber = _string()
    partName = _string()
    quantity = Number(low=0, required=True)
    cost = Number(low=0, required=True)


class ServiceDetails(_EntityRules):
    serviceId = _string()
    carId = _string()
    dealerId = _string()
    dealerName = _string()
    technicianId = _string()
    technicianName = _string()
    serviceNotes = _string()
    warrantyWork = Flag(required=True)
    partsUsed = fields.List(fields.Nested(PartUsed), required=True)


# The types that have a table of their own (see 0001_events.sql), and their rules.
ENTITY_RULES: dict[str, _EntityRules] = {
    schema.__class__.__name__: schema
    for schema in (Car(), Loan(), LoanPayment(), ServiceRecord(), ServiceDetails(), PartUsed())
}
