"""FastAPI: the requests of each application."""

from __future__ import annotations

from soundpost.integrations._table import Hook, Integration
from soundpost.integrations.asgi import with_middleware

INTEGRATION = Integration(
    name="fastapi",
    hooks=(Hook(target="fastapi.applications:FastAPI.build_middleware_stack", wrap=with_middleware),),
    starts=False,
)
