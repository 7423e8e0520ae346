"""What of a table is exported: columns, filters, a clause, days and a limit, checked against the table's columns."""
