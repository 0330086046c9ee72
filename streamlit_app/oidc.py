"""Sign-in by an organisation's own provider (OpenID Connect): Streamlit speaks the protocol, our rows say who it is.

The provider proves a subject; which person that is, and what they may do, stands in our tables only.
"""

from __future__ import annotations

import streamlit as st

from audit.reviews import accounts
from audit.reviews.roles import Actor
from streamlit_app import frame
from streamlit_app.desk import desk


def enter_by_provider() -> Actor | None:
    """The person whom the provider vouches for; None where no provider is set up, or nobody came from it."""
    if not desk().settings.oidc or not st.user.is_logged_in:
        return None
    claims = st.user.to_dict()
    issuer, subject = str(claims.get("iss", "")), str(claims.get("sub", ""))
    if not issuer or not subject:
        return None
    name = str(claims.get("name") or claims.get("preferred_username") or "")
    st.session_state[frame.SIGN_IN] = accounts.oidc_person(desk().db, issuer=issuer, subject=subject, name=name)
    return frame.visitor()
