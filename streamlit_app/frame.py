"""What all pages share: who is signed in, which pages there are and for whom, the run in view, links, titles, errors.

Every page is listed for everybody and hidden from those who cannot use it: a page that is not listed would turn a link
sent by mail into "not found". Whether somebody may do a thing is decided by the library, each time; a page asks first
only to say so in words.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import streamlit as st

from audit.errors import NotAllowedError
from audit.reviews import accounts, library, terms
from audit.reviews.database import Database
from audit.reviews.roles import Action, Actor
from streamlit_app.desk import desk
from streamlit_app.shown import in_label, paragraph, put
from streamlit_app.texts import N_, STATE, _, chosen, direction

SIGN_IN = "sign_in"  # key of the session's state: the secret of a sign-in where no browser holds cookies
WHOSE = "whose"  # key of the session's state: id of the person whose words are in it
RUN = "run"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A page: where it is, what it is called, which of these actions it needs (any one; none: everybody)."""

    name: str  # path in the address, and its module in app_pages
    title: str  # translated where it is shown
    section: str
    icon: str
    needs: tuple[Action, ...] = ()
    listed: bool = True  # in the navigation

    def open_to(self, actor: Actor) -> bool:
        """Whether the person can use it."""
        return not self.needs or any(actor.may(action) for action in self.needs)


RUNS, JUDGE, DESK = N_("The audit"), N_("Judging"), N_("The desk")
PLACES = (
    Place(name="overview", title=N_("Overview"), section=RUNS, icon=":material/home:", needs=(Action.READ_FINDINGS,)),
    Place(name="findings", title=N_("Findings"), section=RUNS, icon=":material/search:", needs=(Action.READ_FINDINGS,)),
    Place(
        name="finding",
        title=N_("Finding"),
        section=RUNS,
        icon=":material/article:",
        needs=(Action.READ_FINDINGS,),
        listed=False,
    ),
    Place(
        name="compare", title=N_("Compare runs"), section=RUNS, icon=":material/compare:", needs=(Action.READ_FINDINGS,)
    ),
    Place(name="queue", title=N_("Review"), section=JUDGE, icon=":material/rate_review:", needs=(Action.REVIEW,)),
    Place(name="contests", title=N_("Contests"), section=JUDGE, icon=":material/gavel:", needs=(Action.READ_FINDINGS,)),
    Place(
        name="propose",
        title=N_("Propose pairs"),
        section=JUDGE,
        icon=":material/edit_note:",
        needs=(Action.PROPOSE, Action.REVIEW_PROPOSAL, Action.PUBLISH_SUITE),
    ),
    Place(
        name="communities",
        title=N_("Communities"),
        section=JUDGE,
        icon=":material/groups:",
        needs=(Action.READ_REVIEWS,),
    ),
    Place(
        name="report", title=N_("Report"), section=DESK, icon=":material/picture_as_pdf:", needs=(Action.MAKE_REPORT,)
    ),
    Place(
        name="admin",
        title=N_("Administration"),
        section=DESK,
        icon=":material/settings:",
        needs=(Action.MANAGE_PEOPLE, Action.INVITE, Action.IMPORT_RUN, Action.EXPORT, Action.ASSIGN, Action.READ_LOG),
    ),
    Place(name="me", title=N_("My account"), section=DESK, icon=":material/person:"),
    Place(name="glossary", title=N_("Words used here"), section=DESK, icon=":material/menu_book:"),
)
BY_NAME = {place.name: place for place in PLACES}


# --- who is here -----------------------------------------------------------------------------


def db() -> Database:
    """The desk's database."""
    return desk().db


def secret() -> str:
    """Secret of this browser's sign-in, "" if there is none."""
    return str(st.session_state.get(SIGN_IN) or st.context.cookies.get(desk().settings.cookie) or "")


def visitor() -> Actor | None:
    """Who is signed in now; None if nobody, also after the sign-in was revoked elsewhere."""
    held = secret()
    return accounts.person_of(db(), held) if held else None


def me() -> Actor:
    """Who is signed in. Asked of the database each time: parts of a page run by themselves, long after it was opened.

    Raises:
        NotAllowedError: the sign-in ended meanwhile.
    """
    actor = visitor()
    if actor is None:
        raise NotAllowedError(_("You are signed out. Reload the page to sign in again."))
    return actor


def when_asked(make: Callable[[str], bytes]) -> Callable[[], bytes]:
    """A file that is made when its button is pressed; `make` is given the person's id.

    Streamlit calls it outside of any page, where nobody is signed in: so the sign-in is taken along and looked up then.
    """
    held, out = secret(), _("You are signed out. Reload the page to sign in again.")

    def made() -> bytes:
        actor = accounts.person_of(db(), held) if held else None
        if actor is None:
            raise NotAllowedError(out)
        return make(actor.id)

    return made


def begin(actor: Actor) -> None:
    """Forget what another person left in this page: a tab that lost its connection takes it up with new cookies."""
    if st.session_state.get(WHOSE, actor.id) != actor.id:
        kept = {name: st.session_state[name] for name in (SIGN_IN, STATE) if name in st.session_state}
        st.session_state.clear()
        st.session_state.update(kept)
    st.session_state[WHOSE] = actor.id


def choose_language(actor: Actor | None) -> str:
    """Language of the interface: that of the profile, else ?lang=, else the browser's."""
    of_profile = accounts.profile(db(), by=actor.id).ui_language if actor else ""
    language = chosen(of_profile, st.query_params.get("lang"), st.context.locale)
    st.session_state[STATE] = language
    return language


# --- pages -----------------------------------------------------------------------------------


def navigation(actor: Actor) -> st.Page:
    """The menu for a person, and the page that was asked for."""
    sections: dict[str, list[st.Page]] = {}
    for place in PLACES:
        sections.setdefault(_(place.section), []).append(_page(place, visible=place.listed and place.open_to(actor)))
    return st.navigation(sections)


def _page(place: Place, *, visible: bool = True) -> st.Page:
    return st.Page(
        _body(place),
        title=_(place.title),
        icon=place.icon,
        url_path=place.name,
        default=place is PLACES[0],
        visibility="visible" if visible else "hidden",
    )


def import_pages() -> None:
    """Import every page now, so that nobody waits for it who opens one first: charts alone take seconds to import."""
    for place in PLACES:
        _module(place)


def _module(place: Place) -> ModuleType:
    return importlib.import_module(f"streamlit_app.app_pages.{place.name}")


def _body(place: Place) -> Callable[[], None]:
    def body() -> None:
        if not place.open_to(me()):
            title(_(place.title))  # where one is, for those who hear the page
            raise NotAllowedError(_("This page needs a role that you do not have. Ask whoever runs the desk."))
        _module(place).page()

    body.__name__ = place.name
    return body


def link(name: str, label: str, *, icon: str | None = None, **query: str) -> None:
    """A link to a page of the desk, within this session; `label` is plain text."""
    st.page_link(_page(BY_NAME[name]), label=in_label(label), icon=icon, query_params=query or None)


def go(name: str, **query: str) -> None:
    """Leave for another page."""
    st.switch_page(_page(BY_NAME[name]), query_params=query or None)


def title(text: str) -> None:
    """The page's one heading of the first level."""
    st.title(text, anchor=False)


def section(text: str, *, level: int = 2) -> None:
    """A heading of ours, of the second level or the third."""
    (st.header if level == 2 else st.subheader)(text, anchor=False)


# --- the run in view -------------------------------------------------------------------------


def run() -> library.RunView | None:
    """The run in view: of ?run=, else the one looked at before, else the newest. None where the desk has none."""
    known = {one.id: one for one in library.runs(db(), by=me().id)}
    if not known:
        return None
    wanted = st.query_params.get(RUN) or st.session_state.get(RUN) or ""
    chosen_run = wanted if wanted in known else next(iter(known))
    st.session_state[RUN] = chosen_run
    return known[chosen_run]


def choose_run() -> library.RunView | None:
    """Like `run`, with a list to choose another one from where there are several."""
    current = run()
    known = {one.id: one for one in library.runs(db(), by=me().id)}
    if current is None:
        st.info(_("There is no run here yet. An auditor brings one on the page Administration."))
        return None
    if len(known) > 1:
        ids = list(known)
        picked = st.selectbox(
            _("Run"),
            ids,
            index=ids.index(current.id),
            format_func=lambda one: f"{known[one].model} · {one}",
            key="run_choice",
        )
        if picked != current.id:
            st.session_state[RUN] = picked
            st.query_params[RUN] = picked
            return known[picked]
    return current


def set_direction(language: str, style: str) -> None:
    """Tell browser and screen reader the language and direction of the page, and bring our styles.

    Streamlit has no setting for either; `language` is one of ours, so that nothing else gets into the script.
    """
    way = direction(language)
    st.html(
        f"<style>{style}</style><script>document.documentElement.lang='{language}';"
        f"document.documentElement.dir='{way}'</script>",
        unsafe_allow_javascript=True,
    )


def agreed(person: Actor) -> bool:
    """Whether what somebody writes is taken; tells people of communities who have not agreed yet where to do so."""
    account = accounts.profile(db(), by=person.id)
    if not person.communities() or account.consent_version == terms.CONSENT_VERSION:
        return True
    put(paragraph(_("Before anything you say is taken, read what happens to it, and agree to it or not.")))
    link("me", _("Read it in my account"), icon=":material/person:")
    return False
