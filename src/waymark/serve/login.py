"""The page that asks for the token, and gives a cookie for it.

In:  the token, in a form; never in an address.
Out: a signed cookie that scripts cannot read and other sites cannot send.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from waymark.serve.pages import login_page
from waymark.serve.service import Service
from waymark.serve.tokens import COOKIE, LIFETIME_S, Keys
from waymark.serve.uploads import read_form

PAUSE_S = 0.5  # after a wrong token: guessing is slow


def login_router(service: Service, keys: Keys) -> APIRouter:
    """Return /login and /logout; where no token is asked for, both lead to the first page."""
    del service
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def login(request: Request) -> Response:
        after = safe_path(request.query_params.get("next", ""))
        if not keys.needed or request.state.session:
            return RedirectResponse(after, 303)
        return login_page(request, next_page=after)

    @router.post("/login")
    async def logged_in(request: Request) -> Response:
        form = await read_form(request)
        after = safe_path(form.fields.get("next", ""))
        if not keys.needed:
            return RedirectResponse(after, 303)
        if not keys.is_token(form.fields.get("token", "")):
            await asyncio.sleep(PAUSE_S)
            wrong = "That is not the token. `waymark serve` was started with it."
            return login_page(request, error=wrong, next_page=after, code=401)
        answer = RedirectResponse(after, 303)
        answer.set_cookie(
            COOKIE,
            keys.new_session(),
            max_age=LIFETIME_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @router.post("/logout")
    async def logout(request: Request) -> Response:
        if hasattr(request.state, "csrf_owed"):
            await read_form(request)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return router


def safe_path(path: str) -> str:
    """Return a path of this app, whatever was asked for: never another site."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if inside and path.isprintable() and path.isascii() else "/"
