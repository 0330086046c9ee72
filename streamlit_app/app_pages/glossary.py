"""The words of this desk, each explained in one or two sentences."""

from __future__ import annotations

from markupsafe import Markup

from audit.records import Verdict
from streamlit_app import frame, plain
from streamlit_app.shown import VERDICT_WORDS, paragraph, put
from streamlit_app.texts import N_, _

WORDS = (
    (N_("Audit"), N_("Asking a model many prepared questions, counting its answers, and looking inside it.")),
    (
        N_("Model"),
        N_("A computer program that predicts which word comes next. It has no opinions; it repeats patterns of texts."),
    ),
    (N_("Run"), N_("One audit of one model, with everything that it rests on.")),
    (
        N_("Finding"),
        N_("One thing that was measured, with a verdict on what may be said and one sentence that says it."),
    ),
    (N_("Measure"), N_("A way to count: what is compared, in which unit, and what chance alone would give.")),
    (N_("Suite"), N_("A set of prepared questions, the same in several languages.")),
    (N_("Item"), N_("One prepared question, or one pair of sentences, in one language.")),
    (N_("Template"), N_("The form of a sentence. Items that share one are counted as one, since they move together.")),
    (N_("Pair"), N_("Two sentences that differ only in which group of people they name.")),
    (N_("Control"), N_("An item of the same form without social meaning. It shows what the form alone does.")),
    (
        N_("Interval"),
        N_(
            "The range in which the true number lies, if the items are a fair sample. A wide one means little is known."
        ),
    ),
    (
        N_("Chance (p)"),
        N_("How often chance alone would give as much. Corrected means: for how many things were tested together."),
    ),
    (N_("Fixed before the run"), N_("Planned before anybody saw a result. Only such findings can carry a headline.")),
    (N_("Exploratory"), N_("Looked at afterwards: a lead to follow, not a result.")),
    (
        N_("Nat"),
        N_(
            "A unit for how far the odds between two answers move. At 0.69 they double, at 2.3 they are ten times as "
            "large."
        ),
    ),
    (N_("Circuit"), N_("The parts inside the model that carry an effect. Taking them out makes the effect smaller.")),
    (
        N_("Feature"),
        N_("A pattern inside the model that is active on some texts; it may or may not stand for an idea."),
    ),
    (N_("Review"), N_("What one person says of a finding. Reviews are never melted into one label.")),
    (N_("Blind"), N_("Nobody sees what others said before having said something of their own.")),
    (N_("Severity"), N_("How much harm a person sees in what was found, from none to severe.")),
    (
        N_("Agreement (alpha)"),
        N_(
            "How far people agree beyond chance: 1 is always, 0 is as chance would have it. Disagreement is a result "
            "too."
        ),
    ),
    (
        N_("Contest"),
        N_("A claim that a finding is wrong. It must be answered with reasons by a date, and somebody else decides."),
    ),
    (
        N_("Small groups"),
        N_("What fewer than three people said is never shown apart, so that nobody can be recognised by it."),
    ),
    (N_("Community"), N_("A group of people in whose name reviews are given.")),
    (
        N_("Roles"),
        N_(
            "Reviewers judge. Stewards besides invite and moderate in their community. Auditors bring runs, answer "
            "contests and issue reports. The board reads and decides appeals. Administrators keep accounts and judge "
            "nothing."
        ),
    ),
)


def page() -> None:
    """Verdicts first: they are on every page."""
    frame.title(_("Words used here"))
    frame.section(_("The four verdicts"))
    put(_list([(_(VERDICT_WORDS[one]), plain.may_be_said(one)) for one in Verdict]))
    frame.section(_("Other words"))
    put(_list([(_(word), _(meaning)) for word, meaning in WORDS]))
    frame.section(_("What was asked"))
    put(
        paragraph(_("Each kind of finding, and what was looked at for it.")),
        _list([(plain.question(name), plain.looked_at(name)) for name in plain.LOOKED_AT]),
    )


def _list(entries: list[tuple[str, str]]) -> Markup:
    return Markup('<dl class="desk-facts">{}</dl>').format(
        Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(word, meaning) for word, meaning in entries)
    )
