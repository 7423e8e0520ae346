"""The SQL of accounts. Every statement may be repeated: ids and tokens are made before it is sent."""

from __future__ import annotations

from typing import Any

from service.database import Cursor

FAMILY_LIFE = "30 days"
MAX_FAMILIES = 100  # of one user; beyond that the oldest end


def exists(cursor: Cursor, user_id: str) -> bool:
    """Return whether a user has this id."""
    cursor.execute("SELECT FROM users WHERE id = %s", (user_id,))
    return cursor.fetchone() is not None


def register(cursor: Cursor, user_id: str, email: str, password_hash: str, first_name: str, last_name: str) -> None:
    """Add a user who signs in here. Raises `UniqueViolation` (users_email) where the address is taken."""
    cursor.execute(
        """
        INSERT INTO users (id, email, password_hash, first_name, last_name)
        VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (id) DO NOTHING
        """,
        (user_id, email, password_hash, first_name, last_name),
    )


def admit(cursor: Cursor, user_id: str, email: str, first_name: str | None, last_name: str | None) -> None:
    """Add a user whom Cognito knows, or follow where Cognito has another address for them.

    Raises `UniqueViolation` (users_email) where another user has the address.
    """
    cursor.execute(
        """
        INSERT INTO users (id, email, first_name, last_name)
        VALUES (%s, %s, %s, %s)
        ON CONFLICT (id) DO UPDATE
        SET email = excluded.email, updated_at = now()
        WHERE users.email <> excluded.email
        """,
        (user_id, email, first_name, last_name),
    )


def credentials(cursor: Cursor, email: str) -> tuple[str | None, str | None]:
    """Return the id and the password's hash of the user with an address, in any case; None for what there is not."""
    cursor.execute(
        "SELECT id, password_hash FROM users WHERE lower(email COLLATE pg_c_utf8) = lower(%s COLLATE pg_c_utf8)",
        (email,),
    )
    return cursor.fetchone() or (None, None)


def replace_password_hash(cursor: Cursor, user_id: str, old: str, new: str) -> None:
    """Keep another hash of the same password, unless the password has changed meanwhile."""
    cursor.execute("UPDATE users SET password_hash = %s WHERE id = %s AND password_hash = %s", (new, user_id, old))


def profile(cursor: Cursor, user_id: str) -> str:
    """Return the profile of a user as JSON."""
    cursor.execute("SELECT profile_of(users)::text FROM users WHERE id = %s", (user_id,))
    return str(_value(cursor))


def replace_profile(cursor: Cursor, user_id: str, new: dict[str, Any]) -> str:
    """Replace what a user says of themselves; return the profile as JSON.

    Raises `InvalidParameterValue` where the server does not know the time zone.
    """
    cursor.execute(
        """
        UPDATE users
        SET first_name = %(firstName)s, last_name = %(lastName)s, timezone = %(timezone)s, phone = %(phone)s,
            updated_at = now()
        WHERE id = %(id)s
        RETURNING profile_of(users)::text
        """,
        {**new, "id": user_id},
    )
    return str(_value(cursor))


def reserve_sign_in(cursor: Cursor, attempt: str, account: bytes, address: bytes | None) -> int | None:
    """Reserve a place for an attempt to sign in (see `reserve_sign_in` in 0002_accounts.sql)."""
    cursor.execute("SELECT reserve_sign_in(%s, %s, %s)", (attempt, account, address))
    seconds: int | None = _value(cursor)
    return seconds


def count_failure(cursor: Cursor, attempt: str) -> None:
    """Let the place of an attempt be taken for 15 minutes."""
    cursor.execute("UPDATE sign_in_attempts SET has_failed = true WHERE id = %s", (attempt,))


def release_sign_in(cursor: Cursor, attempt: str) -> None:
    """Give the place of an attempt back."""
    cursor.execute("DELETE FROM sign_in_attempts WHERE id = %s", (attempt,))


def begin_family(cursor: Cursor, family_id: str, user_id: str, token_hash: bytes) -> None:
    """Begin a family with its first token. What the user has left of ended and of too many families goes."""
    cursor.execute(
        """
        WITH ended AS (
            DELETE FROM refresh_families
            WHERE id IN (
                SELECT id
                FROM refresh_families
                WHERE id IN (
                    SELECT id FROM refresh_families
                    WHERE user_id = %(user)s AND (expires_at <= now() OR revoked_at IS NOT NULL)
                    LIMIT %(most)s
                ) OR id IN (
                    SELECT id FROM refresh_families
                    WHERE user_id = %(user)s AND revoked_at IS NULL
                    ORDER BY expires_at DESC
                    LIMIT %(most)s
                    OFFSET %(most)s - 1
                )
                FOR UPDATE SKIP LOCKED
            )
        ), family AS (
            INSERT INTO refresh_families (id, user_id, expires_at)
            VALUES (%(family)s, %(user)s, now() + %(life)s::interval)
            ON CONFLICT (id) DO NOTHING
            RETURNING id
        )
        INSERT INTO refresh_tokens (hash, family_id)
        SELECT %(hash)s, id FROM family
        """,
        {"family": family_id, "user": user_id, "hash": token_hash, "life": FAMILY_LIFE, "most": MAX_FAMILIES},
    )


def owner(cursor: Cursor, token_hash: bytes) -> str | None:
    """Return the id of the user to whom a refresh token was given, None where it never was."""
    cursor.execute(
        """
        SELECT user_id
        FROM refresh_tokens
        JOIN refresh_families ON refresh_families.id = family_id
        WHERE hash = %s
        """,
        (token_hash,),
    )
    row: tuple[str] | None = cursor.fetchone()
    return row[0] if row else None


def rotate(cursor: Cursor, old_hash: bytes, new_hash: bytes) -> tuple[str, str | None]:
    """Replace a refresh token (see `rotate_refresh_token` in 0002_accounts.sql): the outcome, and whose it is."""
    cursor.execute("SELECT outcome, user_id FROM rotate_refresh_token(%s, %s)", (old_hash, new_hash))
    row: tuple[str, str | None] = cursor.fetchall()[0]
    return row


def revoke_family(cursor: Cursor, user_id: str, token_hash: bytes) -> bool:
    """Revoke the family of a token; return whether it is one of the user's, revoked by now or before."""
    cursor.execute(
        """
        UPDATE refresh_families
        SET revoked_at = coalesce(revoked_at, now())
        WHERE user_id = %s AND id = (SELECT family_id FROM refresh_tokens WHERE hash = %s)
        RETURNING id
        """,
        (user_id, token_hash),
    )
    return cursor.fetchone() is not None


def revoke_families(cursor: Cursor, user_id: str) -> None:
    """Revoke all families of a user."""
    cursor.execute(
        """
        UPDATE refresh_families
        SET revoked_at = now()
        WHERE id IN (
            SELECT id FROM refresh_families WHERE user_id = %s AND revoked_at IS NULL ORDER BY id FOR UPDATE
        )
        """,
        (user_id,),
    )


def _value(cursor: Cursor) -> Any:
    return cursor.fetchall()[0][0]
