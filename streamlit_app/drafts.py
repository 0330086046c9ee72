"""What a page remembers of a form between two clicks, so that a second click, another tab or a reload loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

import streamlit as st
from markupsafe import Markup

from streamlit_app import texts
from streamlit_app.texts import _

Kept = TypeVar("Kept")


@dataclass(kw_only=True)
class Held:
    """A form that somebody is filling in. Lives in the session's state; the words themselves are its widgets'."""

    submission: str = field(default_factory=lambda: uuid4().hex)  # made once per form: sent twice, it counts once
    id: str = ""  # of what is kept, where the desk gives it one
    addressed: bool = False  # the browser has shown that it has the id in its address
    version: int = 0  # of what is kept; 0: nothing yet
    kept: Any = None  # the form's content as it was read or saved last
    saved_at: datetime | None = None  # by this page
    other: Any = None  # what another tab saved, until the person has chosen
    other_version: int = 0

    @property
    def torn(self) -> bool:
        """Whether two tabs said different things and the person has not chosen yet."""
        return self.other is not None

    def tear(self, other: Any, *, version: int) -> None:
        """Remember what another tab saved."""
        self.other, self.other_version = other, version

    def saved(self, content: Any, *, version: int, at: datetime | None) -> None:
        """Remember what is kept now."""
        self.kept, self.version, self.saved_at, self.other = content, version, at, None


def held(prefix: str) -> Held:
    """The form whose widgets' keys begin with `prefix`."""
    return st.session_state.setdefault(f"{prefix}:held", Held())  # type: ignore[no-any-return]


def forget(prefix: str) -> None:
    """Begin the form anew when it is shown the next time."""
    for key in [key for key in st.session_state if str(key).startswith(f"{prefix}:")]:
        del st.session_state[key]


def is_open(prefix: str, name: str) -> bool:
    """Whether the form is filled in already: Streamlit forgets widgets that were not on the page for a while."""
    return f"{prefix}:{name}" in st.session_state


def fill(prefix: str, content: Mapping[str, Any]) -> None:
    """Give each widget its value; only before they are shown."""
    for name, value in content.items():
        st.session_state[f"{prefix}:{name}"] = value


def status(form: Held) -> Markup:
    """When it was saved, for screen readers too."""
    if form.saved_at is not None:
        sentence = _("Saved as a draft, which nobody else sees: {time}.", time=texts.minute(form.saved_at))
    elif form.version:
        sentence = _("What you had begun is here again.")
    else:
        sentence = _("What you enter is saved as you go, as a draft which nobody else sees.")
    return Markup('<p class="desk-quiet" role="status">{}</p>').format(sentence)


def choose(form: Held, *, here: Markup, there: Markup, prefix: str) -> str:
    """Both versions side by side; says what was chosen: "here", "there", or "" as long as nothing is."""
    st.warning(
        _(
            "Another tab has saved something else since this page was opened. Nothing is lost: both are shown. Choose "
            "which one to go on with."
        )
    )
    left, right = st.columns(2)
    with left:
        st.subheader(_("On this page"), anchor=False)
        st.html(str(here))
        if st.button(_("Go on with what is on this page"), key=f"{prefix}:keep"):
            form.kept, form.version, form.other = form.other, form.other_version, None
            return "here"
    with right:
        st.subheader(_("Saved by the other tab"), anchor=False)
        st.html(str(there))
        if st.button(_("Go on with what the other tab saved"), key=f"{prefix}:take"):
            return "there"
    return ""
