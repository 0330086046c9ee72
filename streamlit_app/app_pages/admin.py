"""Running the desk: each part for those whose roles can use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from audit.reviews.roles import Action, Actor
from streamlit_app import frame
from streamlit_app.admin import assignments, backups, communities, data, invitations, log, moderation, people, runs
from streamlit_app.admin.doing import put_said
from streamlit_app.texts import N_, _

PART = "part"  # in the address, and key of the choice


@dataclass(frozen=True)
class Part:
    """A part of the page: its name, what it shows, which action it needs (any one of them)."""

    title: str
    put: Callable[[], None]
    needs: tuple[Action, ...]

    def open_to(self, actor: Actor) -> bool:
        """Whether the person can use it."""
        return any(actor.may(action) for action in self.needs)


PARTS: Mapping[str, Part] = {
    "people": Part(N_("People"), people.put_people, (Action.MANAGE_PEOPLE,)),
    "invitations": Part(N_("Invitations"), invitations.put_invitations, (Action.INVITE,)),
    "communities": Part(N_("Communities"), communities.put_communities, (Action.MANAGE_COMMUNITIES,)),
    "assignments": Part(N_("Reviews asked for"), assignments.put_assignments, (Action.ASSIGN,)),
    "runs": Part(N_("Runs"), runs.put_runs, (Action.IMPORT_RUN,)),
    "data": Part(N_("Data"), data.put_data, (Action.EXPORT, Action.IMPORT_RUN)),
    "moderation": Part(N_("Comments"), moderation.put_moderation, (Action.MODERATE,)),
    "log": Part(N_("Log"), log.put_log, (Action.READ_LOG,)),
    "backups": Part(N_("Backups"), backups.put_backups, (Action.MANAGE_PEOPLE,)),
}


def page() -> None:
    """The part of ?part=, of those that the person can use."""
    frame.title(_("Administration"))
    me = frame.me()
    mine = [name for name, part in PARTS.items() if part.open_to(me)]
    asked = str(st.query_params.get(PART, ""))
    picked = st.radio(
        _("What do you want to look after?"),
        mine,
        index=mine.index(asked) if asked in mine else 0,
        format_func=lambda name: _(PARTS[name].title),
        horizontal=True,
        key="admin_part",
    )
    if picked != asked:
        st.query_params[PART] = picked
    frame.section(_(PARTS[picked].title))
    put_said()
    PARTS[picked].put()
