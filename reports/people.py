"""What the pages on people's judgements share: the judgements themselves, names, and the words of answers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from audit.measures.dissent import MinorityReport, minority_reports
from audit.measures.people import Prevalence, distributions, is_together, prevalence
from audit.records import Finding, Judgements, Voice
from audit.wording import N_, _
from reports.case import Case
from reports.text import isolated
from reports.words import (
    p_value,
)

TITLE = N_("What people say")
ANSWERS = {  # to the questions that people are asked
    # i18n: what a person thinks of a finding
    "agree": N_("agree"),
    # i18n: a person agrees with a finding in part
    "partly": N_("partly"),
    # i18n: a person disagrees with a finding
    "disagree": N_("disagree"),
    # i18n: a person cannot say whether a finding is right
    "cannot say": N_("cannot say"),
    # i18n: a person gave no answer
    "not said": N_("not said"),
}
QUESTIONS = {
    # i18n: what people are asked: whether the finding is right
    "judgement": N_("judgement"),
    # i18n: what people are asked: how much harm they think it does
    "severity": N_("severity"),
}


@dataclass(frozen=True)
class Told:
    """What the parts of the section read, and the pages of single findings."""

    case: Case
    judgements: Judgements  # of findings that the report has
    gone: int  # judgements of findings that it has not

    @classmethod
    def of(cls, case: Case, judgements: Judgements) -> Told:
        """What the judgements say of the findings that the report has."""
        known = {f.id for f in case.findings}
        voices = tuple(v for v in judgements.voices if v.finding in known)
        contests = tuple(c for c in judgements.contests if c.finding in known)
        kept = replace(judgements, voices=voices, contests=contests)
        return cls(case, kept, len(judgements.voices) - len(voices))

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Judgements of findings that the report has."""
        return self.judgements.voices

    @functools.cached_property
    def findings(self) -> Mapping[str, Finding]:
        """By id."""
        return {f.id: f for f in self.case.findings}

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """Answers by finding and community."""
        return distributions(self.judgements)

    @functools.cached_property
    def prevalence(self) -> Mapping[str, tuple[Prevalence, ...]]:
        """Whether people say that it exists where they live, by finding."""
        found: dict[str, tuple[Prevalence, ...]] = {}
        for entry in prevalence(self.judgements):
            found[entry.finding] = (*found.get(entry.finding, ()), entry)
        return found

    @functools.cached_property
    def minorities(self) -> tuple[MinorityReport, ...]:
        """Findings on which somebody differs."""
        return minority_reports(self.judgements)

    def name(self, community: str) -> str:
        """A community as its people write it, where the faces can draw it; otherwise its id."""
        if is_together(community):
            return _("other communities together")
        name = self.judgements.communities.get(community, community)
        return isolated(name) if self.case.can_draw(name) else self.case.spelled_out(community)


def short_name(told: Told, community: str) -> str:
    """A community's name in a chart or beside a quote."""
    # i18n: several small communities together
    return _("others") if is_together(community) else told.name(community)


def everybody() -> str:
    """All who judged, whatever their community."""
    return _("everybody")


def answer_name(value: str) -> str:
    """One of the answers that people give."""
    return _(ANSWERS.get(value, value))


def p_within(p: float | None) -> str:
    """A p value within a sentence, never broken over two lines."""
    printed = p_value(p)
    words = f"p < {printed[1:]}" if printed.startswith("<") else f"p = {printed}"
    return words.replace(" ", "\N{NO-BREAK SPACE}")
