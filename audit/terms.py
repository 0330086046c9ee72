"""The field's own words, to be said in any language: verdicts, lenses, units, and what is counted.

A word stands here once; findings, reports and the desk say it from here. Keys are what records hold.
"""

from __future__ import annotations

from audit.records import Estimate, Verdict
from audit.wording import N_, N_n, Number, Said, said, said_n

VERDICTS = {
    Verdict.EVIDENCE: N_("evidence"),
    Verdict.NO_EVIDENCE: N_("no evidence, and we would have seen it"),
    Verdict.INSUFFICIENT: N_("insufficient evidence"),
    Verdict.NOT_INTERPRETABLE: N_("not interpretable"),
}
LENSES = {  # ways to look at what a model knows, or holds inside
    # i18n: a lens: what the model's answers show that it knows
    "knowledge": N_("knowledge"),
    # i18n: a lens: a linear probe, a classifier fitted on the model's inner state
    "probe": N_("probe"),
    # i18n: a lens: latents of a sparse autoencoder (SAE), which are features of the model's inner state
    "latents": N_("latents"),
    # i18n: a lens: the path (circuit) through the model that carries an effect
    "pathway": N_("pathway"),
    # i18n: a lens: steering, that is pushing the model's inner state along a direction
    "steering": N_("steering"),
}
UNITS = {  # the unit alone, and an amount of it
    "nats": (N_("nats"), N_("{x} nats")),
    "bits": (N_("bits"), N_("{x} bits")),
    "bits per byte": (N_("bits per byte"), N_("{x} bits per byte")),
    # i18n: a unit: a share of a whole, from 0 to 1, as in "0.45 share"
    "share": (N_("share"), N_("{x} share")),
    # i18n: a unit: a correlation coefficient, from -1 to 1, as in "0.80 correlation"
    "correlation": (N_("correlation"), N_("{x} correlation")),
    # i18n: a unit: a difference of probabilities, as in "0.12 probability"
    "probability": (N_("probability"), N_("{x} probability")),
    # i18n: a unit: the spread (standard deviation) of the effects of control pairs
    "control spreads": (N_("control spreads"), N_("{x} control spreads")),
    # i18n: a unit: the spread of agreement with neutral statements
    "neutral spreads": (N_("neutral spreads"), N_("{x} neutral spreads")),
    # i18n: a unit: the spread of single facts about cultures
    "fact spreads": (N_("fact spreads"), N_("{x} fact spreads")),
    # i18n: a unit: the spread of what random directions do
    "random spreads": (N_("random spreads"), N_("{x} random spreads")),
    # i18n: a unit: the usual distance between the two options of a dilemma
    "typical margins": (N_("typical margins"), N_("{x} typical margins")),
    # i18n: a unit of diversity: so many equally well known cultures would give the same
    "effective cultures": (N_("effective cultures"), N_("{x} effective cultures")),
    "share of variance": (N_("share of variance"), N_("{x} share of variance")),
    "share of evenness": (N_("share of evenness"), N_("{x} share of evenness")),
    "share of dilemmas": (N_("share of dilemmas"), N_("{x} share of dilemmas")),
    # i18n: area under the receiver operating characteristic curve, from 0 to 1, 0.5 is chance
    "AUROC": (N_("AUROC"), N_("{x} AUROC")),
    "share of people": (N_("share of people"), N_("{x} share of people")),
    # i18n: a unit: share of the length of a scale of answers
    "share of the scale": (N_("share of the scale"), N_("{x} share of the scale")),
    "share of pairs": (N_("share of pairs"), N_("{x} share of pairs")),
    # i18n: Krippendorff's alpha, a measure of agreement between people
    "alpha": (N_("alpha"), N_("{x} alpha")),
    # i18n: a measure of association from -1 to 1: pairs that agree in their order, less those that do not, of all
    "concordance": (N_("concordance"), N_("{x} concordance")),
}
COUNTED = {  # independent units: the noun alone, and so many of it
    "items": (N_("items"), N_n("{n} item", "{n} items")),
    # i18n: a template is the form of a sentence, which items share
    "templates": (N_("templates"), N_n("{n} template", "{n} templates")),
    "facts": (N_("facts"), N_n("{n} fact", "{n} facts")),
    # i18n: a facet is a side of life, such as greetings or food, on which cultures' practices are compared
    "facets": (N_("facets"), N_n("{n} facet", "{n} facets")),
    # i18n: lines of text
    "lines": (N_("lines"), N_n("{n} line", "{n} lines")),
    "pairs": (N_("pairs"), N_n("{n} pair", "{n} pairs")),
    "statements": (N_("statements"), N_n("{n} statement", "{n} statements")),
    "dilemmas": (N_("dilemmas"), N_n("{n} dilemma", "{n} dilemmas")),
    "findings": (N_("findings"), N_n("{n} finding", "{n} findings")),
    "people": (N_("people"), N_n("{n} person", "{n} people")),
    # what lends its spread to what has too few of its own
    "cultures": (N_("cultures"), N_n("{n} culture", "{n} cultures")),
    "frameworks": (N_("frameworks"), N_n("{n} framework", "{n} frameworks")),
    # i18n: axes of social identity, such as gender or age
    "axes": (N_("axes"), N_n("{n} axis", "{n} axes")),
}


def verdict_words(verdict: Verdict) -> Said:
    """A verdict, within a sentence."""
    return said(VERDICTS[verdict])


def lens_name(lens: str) -> Said:
    """A lens, within a sentence."""
    return said(LENSES[lens])


def unit_name(unit: str) -> Said:
    """A unit alone; one that is not ours as it is."""
    return said(UNITS[unit][0] if unit in UNITS else unit)


def amount(x: Number, unit: str) -> Said:
    """A figure with its unit; a unit that is not ours as it is."""
    if unit in UNITS:
        return said(UNITS[unit][1], x=x)
    return said("{x} {unit}", x=x, unit=unit)


def noun(what: str) -> Said:
    """What is counted, in the plural: "templates"."""
    return said(COUNTED[what][0])


def so_many(n: int, what: str) -> Said:
    """A number of what is counted: "28 templates", "1 fact"."""
    return said_n(*COUNTED[what][1], n)


def counted(estimate: Estimate) -> Said:
    """What an estimate rests on: "28 templates"."""
    return so_many(estimate.n_clusters, estimate.clusters)
