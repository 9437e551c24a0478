"""Claims of a token, which are no secret of the gateway's: read and not verified."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from .close_policy import read_object
from .frames import write_json


def read_claims(token: str) -> Mapping[str, Any]:
    """None for what cannot be read."""
    payload = (token.split(".") + [""])[1]
    try:
        return read_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}


def read_subject(token: str) -> str | None:
    """Whom a token is about, by its issuer and subject; None when it does not say."""
    claims = read_claims(token)
    subject = claims.get("sub")
    return write_json([claims.get("iss"), subject]) if isinstance(subject, str) else None
