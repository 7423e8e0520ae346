"""Tables to try things with: customers, orders and products that are nobody's, the same ones for the same number."""

from __future__ import annotations

import duckdb
import pyarrow

CUSTOMERS = """
    SELECT
        printf('C%07d', n) AS customer_id,
        ['Ada', 'Grace', 'Alan', 'Edsger', 'Barbara', 'Zoë'][1 + n % 6] AS first_name,
        ['Lovelace', 'Hopper', 'Turing', 'O''Neil', 'Liskov', 'Müller "Mü"'][1 + n // 6 % 6] AS last_name,
        CASE WHEN n % 50 <> 7 THEN printf('customer-%d@example.com', n) END AS email,
        ['US', 'DE', 'BR', 'JP', ''][1 + n % 5] AS region,
        CAST((n * 7919 % 1000000) / 100 AS DECIMAL(18, 2)) AS lifetime_value,
        n % 3 = 0 AS is_active,
        TIMESTAMPTZ '2024-01-15 10:00:00+00' + n * INTERVAL '731 milliseconds' AS processed_timestamp
    FROM range(1, ? + 1) AS numbers(n)
"""

ORDERS = """
    SELECT
        CAST(n AS BIGINT) AS order_id,
        printf('C%07d', 1 + n * 31 % 1000) AS customer_id,
        DATE '2024-01-01' + CAST(n % 366 AS INTEGER) AS ordered_on,
        [{'sku': printf('P%04d', n % 97), 'quantity': 1 + n % 4, 'price': CAST(n / 10 AS DECIMAL(12, 2))}] AS items,
        map(['channel', 'coupon'], [['web', 'shop'][1 + n % 2], NULL]) AS attributes,
        CAST(n AS DOUBLE) * 1e5 AS weight,
        TIMESTAMP '2024-01-01 00:00:00' + n * INTERVAL '61 seconds' AS processed_timestamp
    FROM range(1, ? + 1) AS numbers(n)
"""

PRODUCTS = """
    SELECT
        printf('P%04d', n) AS product_id,
        printf('Product no. %d', n) AS name,
        CAST(n % 997 / 10 AS DECIMAL(12, 2)) AS price,
        ['new', 'sale'][1:n % 3] AS tags,
        encode(printf('%d', n)) AS picture
    FROM range(1, ? + 1) AS numbers(n)
"""


def tables(rows: int, environment: str = "local") -> dict[str, pyarrow.Table]:
    """Return the tables of an environment's lake by their names, the customers with so many rows."""
    made = {"customers": (CUSTOMERS, rows), "orders": (ORDERS, min(rows, 2000)), "products": (PRODUCTS, min(rows, 200))}
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        return {
            f"{environment}_{name}_silver": connection.sql(sql, params=[count]).to_arrow_table()
            for name, (sql, count) in made.items()
        }
