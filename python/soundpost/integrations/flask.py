"""Flask: the requests of each application."""

from __future__ import annotations

from soundpost.integrations._table import Hook, Integration
from soundpost.integrations.wsgi import with_middleware

INTEGRATION = Integration(
    name="flask",
    hooks=(
        Hook(target="flask.app:Flask.__call__", wrap=with_middleware, needs=("environ", "start_response")),
    ),
    starts=False,
)
