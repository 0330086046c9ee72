"""Where a job is that the worker does beside the pages, in a sentence."""

from __future__ import annotations

from datetime import timedelta

from audit.reviews.jobs import JobView
from streamlit_app import frame
from streamlit_app.texts import _, ngettext

POLL_S = 2.0  # between two looks
PATIENCE = timedelta(seconds=20)  # before it is said that no worker may be running


def progress(found: JobView, *, running: str) -> str:
    """Where a job is that has not ended; `running` is the sentence for one that has begun."""
    if found.state == "running":
        return running
    if found.ahead:
        return ngettext("Waiting: {n} other job comes first.", "Waiting: {n} other jobs come first.", found.ahead)
    if frame.db().now() - found.asked_at > PATIENCE:
        return _(
            "Still waiting: it seems that no worker is running beside the desk. Whoever runs the desk starts one. What "
            "you asked for is kept."
        )
    return _("Waiting for the worker.")
