"""Sign-in by an organisation's own provider (OpenID Connect): Streamlit speaks the protocol, our rows say who it is.

The provider proves a subject; which person that is, and what they may do, stands in our tables only. A page cannot set
a cookie that scripts do not see, so it hands the new sign-in over to a route of ours, which does: from then on the
person is signed in as everybody else is, for as long, and can be signed out from elsewhere. The provider's own cookie,
which Streamlit keeps for a month, opens nothing by itself: only a proof of a few minutes ago does.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import streamlit as st

from audit.errors import AuditError
from audit.reviews import accounts
from streamlit_app import frame
from streamlit_app.desk import desk
from streamlit_app.shown import english, paragraph, put
from streamlit_app.texts import _

ENTER = "/auth/enter"
LOG_OUT = "/auth/logout"  # Streamlit's: ends its own cookie, and tells the provider where that wants to know
PROVIDERS_COOKIE = "_streamlit_user"
PROOF_S = 300.0  # how old what the provider signed may be: the way back from it, and clocks that differ
HELD_S = 60.0  # how long a sign-in waits to be collected
MOST_HELD = 1000


# --- handing over ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Held:
    secret: str
    browser: str
    until: float


@dataclass
class HandOver:
    """Sign-ins that wait for the browser they were made for: collected once, within a minute, by that browser only."""

    _held: dict[str, _Held] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def leave(self, secret: str, *, browser: str) -> str:
        """Leave a sign-in; returns the key by which it is collected."""
        key, now = secrets.token_urlsafe(32), time.monotonic()
        with self._lock:
            for old in [one for one, held in self._held.items() if held.until < now]:
                del self._held[old]
            while len(self._held) >= MOST_HELD:
                del self._held[next(iter(self._held))]
            self._held[key] = _Held(secret, browser, now + HELD_S)
        return key

    def collect(self, key: str, *, browser: str) -> str | None:
        """The sign-in, once; None where there is none, it is too late, or another browser asks."""
        with self._lock:
            held = self._held.pop(key, None)
        if held is None or held.until < time.monotonic() or held.browser != browser:
            return None
        return held.secret


handed = HandOver()  # of this process: Streamlit runs its pages in threads of the server


def browser_of(cookies: Mapping[str, str]) -> str:
    """Digest of what the provider's sign-in left in a browser: nobody else's browser has the same; "" without one."""
    held = sorted((name, value) for name, value in cookies.items() if name.startswith(PROVIDERS_COOKIE))
    return hashlib.sha256(repr(held).encode()).hexdigest() if held else ""


# --- the page --------------------------------------------------------------------------------


def enter_by_provider() -> None:
    """Whoever comes back from the provider is sent on to where their cookie is set; others are left alone."""
    if not desk().settings.oidc or not st.user.is_logged_in:
        return
    claims = st.user.to_dict()
    if not fresh(claims, now=frame.db().now().timestamp()):
        return
    name = str(claims.get("name") or claims.get("preferred_username") or "")
    try:
        secret = accounts.oidc_person(
            frame.db(), issuer=str(claims.get("iss", "")), subject=str(claims.get("sub", "")), name=name
        )
    except AuditError as error:
        st.error(_("Your organisation knows you, but this desk does not let you in. Ask whoever runs the desk."))
        put(english(str(error)))
        return
    key = handed.leave(secret, browser=browser_of(st.context.cookies.to_dict()))
    send_on(f"{ENTER}?{urlencode({'key': key})}")


def fresh(claims: Mapping[str, object], *, now: float) -> bool:
    """Whether the provider has said this just now; `now` in seconds since 1970."""
    said_at = claims.get("iat")
    return isinstance(said_at, int | float) and abs(now - said_at) <= PROOF_S


def send_on(address: str) -> None:
    """Leave for an address of our own outside Streamlit's pages; a link for where scripts are not run. Ends the run."""
    put(paragraph(_("One moment.")))
    st.html(
        f'<script>window.location.replace("{address}")</script>'
        f'<p class="desk-links"><a href="{address}" target="_self">{_("Go on")}</a></p>',
        unsafe_allow_javascript=True,
    )
    st.stop()
