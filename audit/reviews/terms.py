"""What a person agrees to before any of their words is taken."""

from __future__ import annotations

from sqlalchemy.orm import Session

from audit.errors import DeskError
from audit.reviews.tables import Person

CONSENT_VERSION = "2026-11"  # changes with every word of CONSENT: then people are asked again
CONSENT = (
    "You judge what an audit found in a language model. Some of it repeats stereotypes and may hurt. You may skip any "
    "card and stop at any time, without giving a reason.",
    "Others see your judgement, your comment, your community and, where at least three people share it, your region. "
    "They never see your name; a group of fewer than three people is never shown apart.",
    "What you said goes into reports that may be published, and into the data that auditors export.",
    "You may withdraw at any time. Your words and judgements are then removed here, the numbers are computed anew, and "
    "reports that rest on them are marked to be issued anew. Copies that others already have cannot be called back.",
    "A log keeps that you judged, contested or proposed something, and when; never what you said.",
)


def agreed(person: Person) -> bool:
    """Whether somebody agreed to the present text."""
    return person.consent_at is not None and person.consent_version == CONSENT_VERSION


def require_agreed(session: Session, person: str) -> Person:
    """The row of somebody who agreed.

    Raises:
        DeskError: they did not, or to an older text.
    """
    row = session.get_one(Person, person)
    if not agreed(row):
        raise DeskError("consent: not given yet, or to an older text; read what happens to your words and agree first")
    return row
