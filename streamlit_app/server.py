"""The desk as one ASGI application: Streamlit's pages behind a guard, and a few routes of our own beside them.

Streamlit cannot set a cookie that scripts do not see, so signing in is ours: plain forms that post to plain routes. The
guard sends whoever is not signed in to the form, and keeps the page they asked for; without a sign-in no page session
is opened at all (with a provider of sign-ins it is, since Streamlit speaks with the provider from inside a page).
"""

from __future__ import annotations

import gc
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import streamlit as st
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audit.errors import DeskError, NotAllowedError
from audit.reviews import accounts, issued
from audit.reviews.roles import Action
from streamlit_app import forms, oidc, texts
from streamlit_app.desk import Desk, Settings, open_desk
from streamlit_app.frame import PLACES, import_pages
from streamlit_app.texts import accepted, chosen

LOG = logging.getLogger("plural_audit.desk")
MOST_BYTES = 16_384  # of a posted form
PAGES = {"", *(place.name for place in PLACES)}
FORM_COOKIE = "desk-form"  # its value comes back inside the form: a page of another site cannot know it
FORM_SECONDS = 3600
WANTED_COOKIE = "desk-wanted"  # the page that somebody asked for before they went to their provider
WANTED_SECONDS = 600
# Streamlit's own addresses. Figures on sessions, and a way in for programs: nobody's. Files that pages hand out, and
# files handed in: for who may open a page, and for who may bring data.
CLOSED = ("/_stcore/metrics", "/_stcore/agent")
HANDED_OUT, HANDED_IN = "/media/", "/_stcore/upload_file/"
OF_ALL = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# Streamlit's pages need scripts and styles that it writes itself; these parts hold for them too.
OF_PAGES = "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"

Translate = Callable[[str], str]


def build(settings: Settings) -> st.App:
    """Open the desk and make the application that serves it. One of them in a process: Streamlit has but one runtime.

    Raises:
        DeskError: the database cannot be opened.
    """
    desk = open_desk(settings)
    import_pages()
    gc.collect()
    gc.freeze()  # what is here now stays: later collections need not look at it
    return st.App(
        Path(__file__).with_name("app.py"),
        routes=routes_of(desk),
        middleware=[Middleware(Guard, desk=desk)],
        secrets={"auth": settings.oidc} if settings.oidc else None,
        on_script_error=_on_script_error,
    )


def routes_of(desk: Desk) -> list[Route]:
    """Our own addresses, beside those of Streamlit's pages."""
    routes = Routes(desk)
    return [
        Route("/auth/sign-in", routes.sign_in, methods=["GET", "POST"]),
        Route("/auth/enter", routes.enter, methods=["GET"]),
        Route("/auth/sign-out", routes.sign_out, methods=["GET", "POST"]),
        Route("/auth/set-up", routes.set_up, methods=["GET", "POST"]),
        Route("/auth/join", routes.join, methods=["GET", "POST"]),
        Route("/auth/password", routes.password, methods=["GET", "POST"]),
        Route("/reports/{report}.pdf", routes.report, methods=["GET"]),
        Route("/healthz", routes.health, methods=["GET"]),
    ]


def _on_script_error(error: Exception) -> bool:
    """An error that nobody foresaw: the log has all of it, the person a number to name it by."""
    number = secrets.token_hex(4)
    LOG.error("error %s in a page", number, exc_info=error)
    st.error(
        texts._(
            "Something went wrong here. What you had saved is saved. Tell whoever runs the desk: {number}",
            number=number,
        )
    )
    return True


# --- the guard -------------------------------------------------------------------------------


class Guard:
    """Around everything: security headers, and no page without a sign-in."""

    def __init__(self, app: ASGIApp, *, desk: Desk) -> None:
        self.app = app
        self.desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, send to the sign-in form, or refuse."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if scope["type"] == "websocket":
            if self._same_origin(connection) and await self._may_enter(connection):
                await self.app(scope, receive, send)
            else:
                await receive()  # websocket.connect
                await send({"type": "websocket.close", "code": 4401, "reason": "sign in first"})
            return
        answer, wanted = self.app, ""
        if await self._is_kept_back(connection):
            answer = PlainTextResponse("nothing is here\n", status_code=404)
        elif scope["method"] == "GET" and scope["path"].strip("/") in PAGES and not await self._signed_in(connection):
            wanted = scope["path"] + (f"?{connection.url.query}" if connection.url.query else "")
            if not self.desk.settings.oidc:
                language = connection.query_params.get("lang", "")
                query = {"next": wanted, **({"lang": language} if language in texts.LANGUAGES else {})}
                answer = RedirectResponse(f"/auth/sign-in?{urlencode(query)}", status_code=303)
        remembered = self._remembered(wanted) if self.desk.settings.oidc and wanted.strip("/") else ""
        await answer(scope, receive, self._with_headers(send, cookie=remembered))

    def _remembered(self, wanted: str) -> str:
        """A cookie that holds the page asked for, on the way to a provider and back: that always leads to "/"."""
        response = Response()
        response.set_cookie(
            WANTED_COOKIE,
            quote(wanted, safe=""),
            max_age=WANTED_SECONDS,
            httponly=True,
            samesite="lax",
            secure=self.desk.settings.secure,
        )
        return response.headers["Set-Cookie"]

    async def _is_kept_back(self, connection: HTTPConnection) -> bool:
        """Whether one of Streamlit's own addresses is not for whoever asks."""
        path = connection.scope["path"]
        if path.startswith(HANDED_IN):
            secret = connection.cookies.get(self.desk.settings.cookie, "")
            actor = await run_in_threadpool(accounts.person_of, self.desk.db, secret) if secret else None
            return actor is None or not actor.may(Action.IMPORT_RUN)
        return path.startswith(CLOSED) or (path.startswith(HANDED_OUT) and not await self._may_enter(connection))

    def _same_origin(self, connection: HTTPConnection) -> bool:
        """Whether one of our own pages opens the connection. Streamlit would ask the internet for our address first."""
        origin = connection.headers.get("origin", "")
        schemes = ("https",) if self.desk.settings.secure else ("http", "https")  # what came unencrypted may be forged
        ours = {f"{scheme}://{connection.headers.get('host', '')}" for scheme in schemes}
        return origin in ours or (bool(origin) and origin == self.desk.settings.public_url.rstrip("/"))

    async def _may_enter(self, connection: HTTPConnection) -> bool:
        return bool(self.desk.settings.oidc) or await self._signed_in(connection)

    async def _signed_in(self, connection: HTTPConnection) -> bool:
        secret = connection.cookies.get(self.desk.settings.cookie, "")
        return bool(secret) and await run_in_threadpool(accounts.person_of, self.desk.db, secret) is not None

    def _with_headers(self, send: Send, *, cookie: str) -> Callable[[Message], Awaitable[None]]:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in OF_ALL.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", OF_PAGES)
                if self.desk.settings.secure:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
                    message["headers"] = [_over_https_only(*header) for header in message["headers"]]
                if cookie:
                    headers.append("Set-Cookie", cookie)
            await send(message)

        return sending


# --- routes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Routes:
    """The routes of one desk."""

    desk: Desk

    async def sign_in(self, request: Request) -> Response:
        """Name and password for a sign-in of this browser."""
        t, language = _language(request)
        form = forms.Form(
            title=t("Sign in"),
            intro=t("Sign in with the name and the password of your account."),
            fields=(
                forms.Field(name="login", label=t("Name to sign in with"), autocomplete="username"),
                forms.Field(
                    name="password", label=t("Password"), kind="password", autocomplete="current-password", most=1000
                ),
            ),
            button=t("Sign in"),
            hidden={},
            links=(("/", t("Sign in with your organisation")),) if self.desk.settings.oidc else (),
        )
        if request.method == "GET":
            return self._ask(request, form, language)
        typed = await _typed(request)
        if not self._same_browser(request, typed):
            return self._ask(request, form, language, error=_too_old(t))
        try:
            secret = await run_in_threadpool(
                accounts.sign_in,
                self.desk.db,
                login=typed.get("login", ""),
                password=typed.get("password", ""),
                address=request.client.host if request.client else "",
            )
        except accounts.TooManyAttemptsError as error:
            wait = t("Too many failed attempts. Try again in {minutes} minutes.").format(minutes=error.minutes)
            return self._ask(request, form, language, typed, error=wait, status=429)
        except DeskError:
            wrong = t("The name or the password is not right. Check both and try again.")
            return self._ask(request, form, language, typed, error=wrong, status=401)
        return await self._enter(request, secret)

    async def enter(self, request: Request) -> Response:
        """The cookie for somebody whom a provider vouched for: a page made the sign-in and cannot set it."""
        t, language = _language(request)
        key, browser = request.query_params.get("key", ""), oidc.browser_of(request.cookies)
        secret = oidc.handed.collect(key, browser=browser)
        if secret is None:
            late = t("This link does not work any more. Sign in again.")
            body = forms.message(t("Sign in"), late, language=language, link=("/auth/sign-in", t("Sign in")))
            return HTMLResponse(body, status_code=410, headers=forms.HEADERS)
        wanted = unquote(request.cookies.get(WANTED_COOKIE, ""))
        response = await self._enter(request, secret, wanted=wanted)
        response.delete_cookie(WANTED_COOKIE, secure=self.desk.settings.secure, httponly=True, samesite="lax")
        return response

    async def set_up(self, request: Request) -> Response:
        """The first administrator's account, by the link that the command line printed."""
        t, _ = _language(request)
        return await self._new_account(
            request,
            title=t("Set up the desk"),
            intro=t("This makes the account of the first administrator. The link works once."),
            make=accounts.set_up,
            known=False,
        )

    async def join(self, request: Request) -> Response:
        """An account for somebody who was invited."""
        t, _ = _language(request)
        return await self._new_account(
            request,
            title=t("Join the desk"),
            intro=t("Somebody invited you. Choose how you sign in, and a name that others see beside what you write."),
            make=accounts.accept_invitation,
            known=True,
        )

    async def _new_account(
        self, request: Request, *, title: str, intro: str, make: Callable[..., str], known: bool
    ) -> Response:
        """Make an account by a link with a secret; `known`: people who have an account may use the link as well."""
        t, language = _language(request)
        invitation = request.query_params.get("secret", "")
        try:
            await run_in_threadpool(accounts.invitation, self.desk.db, invitation)
        except DeskError:
            dead = t("This link does not work any more. Ask whoever sent it for a new one.")
            body = forms.message(title, dead, language=language, link=("/auth/sign-in", t("Sign in")))
            return HTMLResponse(body, status_code=410, headers=forms.HEADERS)
        form = forms.Form(
            title=title,
            intro=intro,
            fields=(
                forms.Field(
                    name="login",
                    label=t("Name to sign in with"),
                    autocomplete="username",
                    hint=t("Only you and the administrators see it."),
                ),
                forms.Field(
                    name="pseudonym",
                    label=t("Name that others see"),
                    autocomplete="nickname",
                    hint=t("It need not be your real name."),
                ),
                *_new_password(t),
            ),
            button=t("Make the account"),
            hidden={},
            links=((f"/me?{urlencode({'invitation': invitation})}", t("I have an account already")),) if known else (),
        )
        if request.method == "GET":
            return self._ask(request, form, language)
        typed = await _typed(request)
        fault = self._fault(request, typed, t)
        if fault:
            return self._ask(request, form, language, typed, error=fault)
        try:
            secret = await run_in_threadpool(
                make,
                self.desk.db,
                invitation,
                login=typed.get("login", ""),
                pseudonym=typed.get("pseudonym", ""),
                password=typed.get("password", ""),
                ui_language=language,
            )
        except DeskError as error:
            return self._ask(request, form, language, typed, error=t("That did not work."), detail=str(error))
        return await self._enter(request, secret)

    async def password(self, request: Request) -> Response:
        """A new password for who is signed in; other browsers are signed out."""
        t, language = _language(request)
        secret, actor = await self._who(request)
        if actor is None:
            return RedirectResponse("/auth/sign-in?next=/auth/password", status_code=303)
        form = forms.Form(
            title=t("Change the password"),
            intro=t("Every other browser that is signed in with your account will be signed out."),
            fields=(
                forms.Field(
                    name="old",
                    label=t("Password until now"),
                    kind="password",
                    autocomplete="current-password",
                    most=1000,
                ),
                *_new_password(t),
            ),
            button=t("Change the password"),
            hidden={"token": accounts.csrf_token(secret)},
            links=(("/me", t("Back to my account")),),
        )
        if request.method == "GET":
            return self._page(request, form, language)
        typed = await _typed(request)
        if not accounts.csrf_fits(secret, typed.get("token", "")):
            return self._page(request, replace(form, error=_too_old(t)), language, status=400)
        if fault := _password_fault(typed, t):
            return self._page(request, replace(form, error=fault), language, status=400)
        try:
            fresh = await run_in_threadpool(
                accounts.change_password,
                self.desk.db,
                old=typed.get("old", ""),
                new=typed.get("password", ""),
                by=actor.id,
            )
        except DeskError as error:
            failed = replace(form, error=t("That did not work."), english_error=str(error))
            return self._page(request, failed, language, status=400)
        return self._signed_in(RedirectResponse("/me", status_code=303), fresh)

    async def sign_out(self, request: Request) -> Response:
        """End this browser's sign-in: asked first, since a link alone must not do it."""
        t, language = _language(request)
        secret, actor = await self._who(request)
        if actor is None:
            return self._forget(RedirectResponse("/auth/sign-in", status_code=303))
        form = forms.Form(
            title=t("Sign out"),
            intro=t("What you have begun is kept as a draft."),
            fields=(),
            button=t("Sign out"),
            hidden={"token": accounts.csrf_token(secret)},
            links=(("/", t("Stay signed in")),),
        )
        if request.method == "GET":
            return self._page(request, form, language)
        typed = await _typed(request)
        if not accounts.csrf_fits(secret, typed.get("token", "")):
            return self._page(request, replace(form, error=_too_old(t)), language, status=400)
        await run_in_threadpool(accounts.sign_out, self.desk.db, secret)
        headers, link = dict(forms.HEADERS), ("/auth/sign-in", t("Sign in"))
        if oidc.browser_of(request.cookies):  # signed in by a provider: that ends too. Not by a redirect: browsers
            headers["Refresh"] = f"0; url={oidc.LOG_OUT}"  # hold that a form which is ours must not lead elsewhere
            link = (oidc.LOG_OUT, t("Go on"))
        bye = forms.message(t("Signed out"), t("You are signed out."), language=language, link=link)
        return self._forget(HTMLResponse(bye, headers=headers))

    async def report(self, request: Request) -> Response:
        """An issued report, for those who may read what is in it."""
        _secret, actor = await self._who(request)
        if actor is None:
            return RedirectResponse(f"/auth/sign-in?next={quote(request.url.path)}", status_code=303)
        try:
            found = await run_in_threadpool(
                issued.report,
                self.desk.db,
                request.path_params["report"],
                folder=self.desk.settings.reports,
                by=actor.id,
            )
        except NotAllowedError as error:
            return PlainTextResponse(f"{error}\n", status_code=403)
        except DeskError as error:
            return PlainTextResponse(f"{error}\n", status_code=404)
        headers = {
            "Content-Disposition": f'attachment; filename="{found.record.file}"',
            "Cache-Control": "private, no-store",
        }
        return Response(found.content, media_type="application/pdf", headers=headers)

    async def health(self, _request: Request) -> Response:
        """Whether the desk can read its database."""
        try:
            await run_in_threadpool(self._ping)
        except DeskError:
            return JSONResponse({"status": "the database does not answer"}, status_code=503)
        return JSONResponse({"status": "ok"})

    # --- parts -------------------------------------------------------------------------------

    def _ping(self) -> None:
        with self.desk.db.read() as session:
            session.execute(text("SELECT 1"))

    async def _who(self, request: Request) -> tuple[str, accounts.Actor | None]:
        secret = request.cookies.get(self.desk.settings.cookie, "")
        actor = await run_in_threadpool(accounts.person_of, self.desk.db, secret) if secret else None
        return secret, actor

    def _ask(
        self,
        request: Request,
        form: forms.Form,
        language: str,
        typed: Mapping[str, str] | None = None,
        *,
        error: str = "",
        detail: str = "",
        status: int = 400,
    ) -> Response:
        """A form for somebody who is not signed in: bound to this browser by a cookie."""
        token = request.cookies.get(self._form_cookie) or secrets.token_urlsafe(32)
        fields = tuple(replace(one, value=(typed or {}).get(one.name, "")) for one in form.fields)
        form = replace(form, fields=fields, hidden={"token": token}, error=error, english_error=detail)
        response = self._page(request, form, language, status=status if error else 200)
        response.set_cookie(
            self._form_cookie,
            token,
            max_age=FORM_SECONDS,
            httponly=True,
            samesite="lax",
            secure=self.desk.settings.secure,
        )
        return response

    @property
    def _form_cookie(self) -> str:
        return f"__Host-{FORM_COOKIE}" if self.desk.settings.secure else FORM_COOKIE

    def _same_browser(self, request: Request, typed: Mapping[str, str]) -> bool:
        held, sent = request.cookies.get(self._form_cookie, ""), typed.get("token", "")
        return bool(held) and hmac.compare_digest(held.encode(), sent.encode())

    def _fault(self, request: Request, typed: Mapping[str, str], t: Translate) -> str:
        if not self._same_browser(request, typed):
            return _too_old(t)
        return _password_fault(typed, t)

    def _page(self, request: Request, form: forms.Form, language: str, *, status: int = 200) -> Response:
        def here(code: str) -> str:
            query = {**dict(request.query_params), "lang": code}
            return f"{request.url.path}?{urlencode(query)}"

        return HTMLResponse(forms.page(form, language=language, here=here), status_code=status, headers=forms.HEADERS)

    async def _enter(self, request: Request, secret: str, *, wanted: str = "") -> Response:
        before = request.cookies.get(self.desk.settings.cookie, "")
        if before:
            await run_in_threadpool(accounts.sign_out, self.desk.db, before)
        response = RedirectResponse(inside(request.query_params.get("next", wanted)), status_code=303)
        response.delete_cookie(self._form_cookie, secure=self.desk.settings.secure, httponly=True, samesite="lax")
        return self._signed_in(response, secret)

    def _signed_in(self, response: Response, secret: str) -> Response:
        response.set_cookie(
            self.desk.settings.cookie,
            secret,
            max_age=int(accounts.SIGNED_IN_FOR.total_seconds()),
            httponly=True,
            samesite="lax",
            secure=self.desk.settings.secure,
        )
        return response

    def _forget(self, response: Response) -> Response:
        response.delete_cookie(
            self.desk.settings.cookie, secure=self.desk.settings.secure, httponly=True, samesite="lax"
        )
        return response


def _over_https_only(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header; a cookie, also one of Streamlit's, which does not see the proxy's TLS, is sent over https only."""
    cookie = name.lower() == b"set-cookie" and b"; secure" not in value.lower()
    return name, value + b"; Secure" if cookie else value


def inside(target: str) -> str:
    """`target` if it is a page of this desk, else the first page: nobody is led to another site after signing in."""
    path = target.partition("?")[0]
    ours = path.startswith("/") and (
        path.strip("/") in PAGES or path == "/auth/password" or path.startswith("/reports/")
    )
    plain = target.isprintable() and "\\" not in target and "//" not in path
    return target if ours and plain else "/"


def _new_password(t: Translate) -> tuple[forms.Field, ...]:
    hint = t("At least 12 characters. A few words that only you would put together are good.")
    return (
        forms.Field(
            name="password", label=t("Password"), kind="password", autocomplete="new-password", hint=hint, most=1000
        ),
        forms.Field(
            name="again", label=t("The same password again"), kind="password", autocomplete="new-password", most=1000
        ),
    )


def _too_old(t: Translate) -> str:
    return t("This form was too old. Please send it again.")


def _password_fault(typed: Mapping[str, str], t: Translate) -> str:
    """What is wrong with a new password, as far as it can be said before asking the library; "" if nothing."""
    if typed.get("password", "") != typed.get("again", ""):
        return t("The two passwords differ.")
    if len(typed.get("password", "")) < accounts.PASSWORD_LEAST:
        return t("The password is too short. Write at least 12 characters.")
    return ""


def _language(request: Request) -> tuple[Translate, str]:
    language = chosen(request.query_params.get("lang"), *accepted(request.headers.get("accept-language", "")))
    return texts.of(language).gettext, language


async def _typed(request: Request) -> dict[str, Any]:
    """What was posted. More than a form can hold, or not text, is nothing: the form is shown again."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return {}
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict"))
    except ValueError:
        return {}
