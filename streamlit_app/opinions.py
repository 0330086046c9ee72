"""The map of who judges alike: what it shows, how far to trust it, and the same as tables."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import streamlit as st
from markupsafe import Markup

from audit.measures.opinions import FEWEST_ANSWERS, Axis, OpinionMap, opinion_map
from audit.records import Finding, Judgements, Undefined
from streamlit_app import frame, people_pictures, texts
from streamlit_app.dissent import group_name
from streamlit_app.shown import of_finding, paragraph, put, said, table
from streamlit_app.texts import N_, _, ngettext

DIRECTIONS = (N_("First direction"), N_("Second direction"))
SHOWN_ID = 8  # characters of a finding's id


def put_map(told: Judgements, spoken_of: Mapping[str, Finding]) -> None:
    """The map, what its directions are made of, and its table."""
    frame.section(_("Who judges alike"))
    found = _map(_Key(told))
    if isinstance(found, Undefined):
        put(paragraph(_("There is no map yet, because:")), of_finding(found.reason))
        return
    put(
        paragraph(
            _(
                "Each point is one person. People who stand close together judged the same findings alike; far apart, "
                "differently. The two directions are those in which people differ most (principal components of their "
                "first judgements). Left and right, up and down have no meaning by themselves."
            )
            + " "
            + _("Where several people stand in one place, their number stands beside the point.")
        ),
        paragraph(
            ngettext(
                "It rests on {n} finding on which they differ.",
                "It rests on {n} findings on which they differ.",
                found.findings,
            )
            + " "
            + ngettext(
                "People with fewer than {n} such judgement are not on it, nor communities of which fewer than three "
                "people are.",
                "People with fewer than {n} such judgements are not on it, nor communities of which fewer than three "
                "people are.",
                FEWEST_ANSWERS,
            ),
            kind="quiet",
        ),
    )
    ids = {one.community for one in found.places}
    names = {one: people_pictures.plain(group_name(told, one)) for one in ids}
    drawn, alt = people_pictures.map_chart(found, names)
    st.altair_chart(drawn, alt=alt, theme=None, width="content")
    put(_directions(found))
    for title, axis in zip(DIRECTIONS, found.axes, strict=True):
        put(_leading(_(title), axis, spoken_of))
    with st.expander(_("The map as a table")):
        put(_places(told, found))


def _directions(found: OpinionMap) -> Markup:
    rows: list[tuple[str | Markup, ...]] = [
        (
            _(title),
            texts.percent(axis.share),
            texts.percent(axis.by_chance),
            _("People fall apart in this direction by more than chance.")
            if axis.more_than_chance
            else _("No more than chance would draw: read nothing into it."),
        )
        for title, axis in zip(DIRECTIONS, found.axes, strict=True)
    ]
    header = (
        _("Direction"),
        _("Of all differences it holds"),
        _("Chance alone reaches, one time in twenty"),
        _("What it means"),
    )
    return table(_("How much the map holds"), header, rows)


def _leading(title: str, axis: Axis, spoken_of: Mapping[str, Finding]) -> Markup:
    """The findings that a direction is made of most."""
    rows: list[tuple[str | Markup, ...]] = [
        (
            of_finding(spoken_of[finding].sentence) if finding in spoken_of else finding[:SHOWN_ID],
            texts.number(weight, decimals=2),
        )
        for finding, weight in axis.leading
    ]
    caption = said(
        _("{direction}: the findings that count most. Above 0: those who agree stand on its positive side."),
        direction=title,
    )
    return table(people_pictures.plain(caption), (_("Finding"), _("Weight")), rows)


def _places(told: Judgements, found: OpinionMap) -> Markup:
    rows: list[tuple[str | Markup, ...]] = [
        (
            said(_("Person {number} of {community}"), number=one.person, community=group_name(told, one.community)),
            texts.number(one.at[0], decimals=1),
            texts.number(one.at[1], decimals=1),
            texts.number(one.answered),
        )
        for one in found.places
    ]
    header = (_("Person"), _("First direction"), _("Second direction"), _("Judgements"))
    return table(_("Places on the map"), header, rows)


class _Key:
    """Judgements as a key of the cache: the same voices make the same map."""

    def __init__(self, told: Judgements) -> None:
        self.told = told

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.told.voices == other.told.voices

    def __hash__(self) -> int:
        return hash(self.told.voices)


@functools.lru_cache(maxsize=16)
def _map(key: _Key) -> OpinionMap | Undefined:
    return opinion_map(key.told)
