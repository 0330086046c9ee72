"""What people said, counted: who can be shown apart, their answers by community, prevalence by region.

Input is `records.Judgements`. People disagree for reasons; nothing here merges their answers into one label. Two kinds
of numbers are kept apart: *distributions* show what people say now; *statistics* of agreement and difference rest on
each person's first judgement, made before they saw anybody else's, because only those are independent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from audit.measures.statistics import LEVEL, binomial_interval
from audit.records import Estimate, Judgements, Undefined, Voice
from audit.terms import so_many
from audit.wording import said

LEAST = 3  # people; a smaller group is never shown apart
TOGETHER = "others"

# --- who can be shown apart --------------------------------------------------------------------


def shown_groups(counts: Mapping[str, int], *, least: int = LEAST) -> Mapping[str, str]:
    """Under which name each group may be shown, so that no fewer than `least` people can be told apart.

    Groups of fewer than `least` are put together. Where even together they are fewer, the smallest of the others joins
    them: left out instead, they would be what remains of the total when the groups shown are taken away from it
    (complementary suppression: Hundepool et al. 2012, Statistical Disclosure Control, section 4.2). Every union of
    names, and the total without it, is then nobody or at least `least` people.

    The rule holds for one table. Two tables of the same answers by different groupings could be subtracted from each
    other, so each kind of answer is tabulated by one grouping only: prevalence by region, all others by community.

    Args:
        counts: group -> people in it, each person in one group.
        least: fewest people shown apart.

    Returns:
        group -> the name it is shown under: its own, or one name (`TOGETHER`) that several share. "" is "not shown":
        a group of nobody; and all groups where there are fewer than `least` people in all. Then the total may not be
        shown either.

    Raises:
        ValueError: a count is negative.
    """
    if any(n < 0 for n in counts.values()):
        raise ValueError(f"people per group must not be negative, got {dict(counts)}")
    by_size = sorted((n, group) for group, n in counts.items() if n)
    together: set[str] = set()
    people = 0
    for n, group in by_size:
        if n >= least and (not together or people >= least):
            break
        together.add(group)
        people += n
    name = _free_name(counts) if people >= least else ""
    return {group: "" if not n else name if group in together else group for group, n in counts.items()}


def _free_name(taken: Mapping[str, int]) -> str:
    """`TOGETHER`, or where a group has that name itself, a longer one."""
    name = TOGETHER
    while name in taken:
        name += " together"
    return name


# --- questions and answers ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing that reviewers are asked, and its answers from the least to the most."""

    name: str
    values: tuple[str, ...]


JUDGEMENT = Question(name="judgement", values=("disagree", "partly", "agree"))
SEVERITY = Question(name="severity", values=("0", "1", "2", "3", "4"))
PREVALENCE = Question(name="prevalence", values=("absent", "rare", "some", "common"))
CANNOT_SAY, NOT_SAID = "cannot say", "not said"
EXISTS = ("some", "common")  # answers by which a stereotype is held to exist


def answers(judgements: Judgements, question: Question, *, findings: Collection[str] | None = None) -> pd.DataFrame:
    """One row per person and finding with a place on the question's scale: who did not say, or cannot, has no row.

    For the judgement it is the blind one. Severity and prevalence are the latest: the record holds no blind ones.

    Args:
        judgements: of a run.
        question: one of `JUDGEMENT`, `SEVERITY`, `PREVALENCE`.
        findings: ids to look at; None for all.

    Returns:
        Columns finding, person ("number/community": one who speaks for two communities counts in each), community,
        region, value (place on the scale, from 0).
    """
    places = {value: place for place, value in enumerate(question.values)}
    rows = [
        (v.finding, f"{v.person}/{v.community}", v.community, v.region, places[given])
        for v in judgements.voices
        if (findings is None or v.finding in findings) and (given := _said(v, question)) in places
    ]
    return pd.DataFrame(rows, columns=["finding", "person", "community", "region", "value"])


def _said(voice: Voice, question: Question) -> str:
    if question is JUDGEMENT:
        return voice.blind
    if question is SEVERITY:
        return "" if voice.blind_severity is None else str(voice.blind_severity)
    return voice.prevalence


def is_together(name: str) -> bool:
    """Whether a name stands for several groups put together, which is no community and agrees on nothing as one."""
    return name == TOGETHER or name.startswith(f"{TOGETHER} together")


def communities_apart(table: pd.DataFrame) -> tuple[str, ...]:
    """Communities of at least three people who answered, sorted: those of which a statistic over findings is told.

    Agreement and association are no sums: unlike counts, those of some groups cannot be taken away from those of all.
    So a small community does not draw a larger one in with it here; see `without_few` for what becomes of its people.

    Args:
        table: of `answers`.
    """
    people = table.groupby("community")["person"].nunique()
    return tuple(sorted(str(c) for c, n in people.items() if n >= LEAST and not is_together(str(c))))


def without_few(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `answers` that a statistic of everybody may rest on.

    People of communities too small to be told apart are left out if they are fewer than three in all: otherwise what
    the statistic of everybody holds beyond those of the communities would be theirs alone.
    """
    apart = table["community"].isin(communities_apart(table)) | table["community"].map(is_together).astype(bool)
    few = int(table.loc[~apart, "person"].nunique())
    return table[apart] if few < LEAST else table


def community_name(judgements: Judgements, community: str) -> str:
    """As its people write it; an id that has no name, as `TOGETHER`, stands for itself."""
    return judgements.communities.get(community, community)


# --- distributions -----------------------------------------------------------------------------


def distributions(judgements: Judgements) -> pd.DataFrame:
    """What people say now of each finding, by community: counts, as the app and the report print them.

    Communities with fewer than three people on a finding are put together, and left out where that is too few: the rule
    of `shown_groups`, finding by finding.

    Returns:
        One row per finding and name shown, in the order of the voices. Columns: finding, community (id or `TOGETHER`),
        name, people; agree, partly, disagree, cannot say; severity 0 .. severity 4, severity not said; revised (people
        who changed their judgement after others' were shown).
    """
    rows = []
    for finding, voices in voices_by_finding(judgements).items():
        for community, members in by_community(voices).items():
            given = Counter(v.judgement for v in members)
            severe = Counter(v.severity for v in members)
            rows.append(
                {
                    "finding": finding,
                    "community": community,
                    "name": community_name(judgements, community),
                    "people": len(members),
                    **{value: given[value] for value in (*reversed(JUDGEMENT.values), CANNOT_SAY)},
                    **{f"severity {value}": severe[int(value)] for value in SEVERITY.values},
                    f"severity {NOT_SAID}": severe[None],
                    "revised": sum(v.revised for v in members),
                }
            )
    return pd.DataFrame(rows, columns=DISTRIBUTION_COLUMNS)


DISTRIBUTION_COLUMNS = (
    *("finding", "community", "name", "people"),
    *(*reversed(JUDGEMENT.values), CANNOT_SAY),
    *(f"severity {value}" for value in (*SEVERITY.values, NOT_SAID)),
    "revised",
)


def voices_by_finding(judgements: Judgements) -> Mapping[str, tuple[Voice, ...]]:
    """Voices of each finding, findings in the order in which they first come."""
    found: dict[str, list[Voice]] = {}
    for voice in judgements.voices:
        found.setdefault(voice.finding, []).append(voice)
    return {finding: tuple(voices) for finding, voices in found.items()}


def by_community(voices: Collection[Voice]) -> Mapping[str, tuple[Voice, ...]]:
    """Voices of one finding under the names that their communities may be shown by; sorted, those together last.

    Empty where fewer than three people spoke.
    """
    shown = shown_groups(Counter(v.community for v in voices))
    groups: dict[str, list[Voice]] = {}
    for voice in voices:
        groups.setdefault(shown[voice.community], []).append(voice)
    groups.pop("", None)
    return {name: tuple(groups[name]) for name in sorted(groups, key=lambda n: (is_together(n), n))}


# --- prevalence --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Prevalence:
    """Among those who said whether the stereotype exists where they live: how many, by answer, and the share."""

    finding: str
    region: str  # as people wrote it, `TOGETHER`, or "" for those who named none or whose region is not shown
    counts: Mapping[str, int]  # answer -> people, from absent to common
    result: Estimate  # share who say "some" or "common"


def prevalence(judgements: Judgements) -> tuple[Prevalence, ...]:
    """Share of people who say that a finding's stereotype exists where they live, by region.

    People of one region are independent within a finding, so the interval is the exact one of a binomial (Clopper and
    Pearson 1934); it covers at least as promised however few they are. Who cannot say is not counted. Regions of fewer
    than three people who said are put together (`shown_groups`); a finding with fewer in all is left out.
    """
    found = []
    table = answers(judgements, PREVALENCE)
    table["region"] = _regions(table["region"])
    for finding, rows in table.groupby("finding", sort=False):
        sizes = {str(region): int(n) for region, n in rows["region"].value_counts().items()}
        shown = rows["region"].map(dict(shown_groups(sizes)))
        if len(rows) < LEAST:  # otherwise all are shown, and the name "" is that of people whose region is not told
            continue
        for region, members in rows.groupby(shown, sort=True):
            counts = Counter(PREVALENCE.values[place] for place in members["value"])
            found.append(
                Prevalence(
                    finding=str(finding),
                    region=str(region),
                    counts={value: counts[value] for value in PREVALENCE.values},
                    result=_share(sum(counts[value] for value in EXISTS), len(members)),
                )
            )
    return tuple(found)


def _regions(written: pd.Series[str]) -> pd.Series[str]:
    """Spellings that differ in case or spaces only become the one used most; ties go to the first in order."""
    tidy = written.map(lambda text: " ".join(str(text).split()))
    counted = Counter(tidy)
    spelling: dict[str, str] = {}
    for text in sorted(counted, key=lambda t: (-counted[t], t)):
        spelling.setdefault(text.casefold(), text)
    return tidy.map(lambda text: spelling[text.casefold()])


def _share(yes: int, people: int) -> Estimate:
    low, high = binomial_interval(yes, people)
    return Estimate(
        value=yes / people,
        low=low,
        high=high,
        level=LEVEL,
        unit="share of people",
        n_items=people,
        n_clusters=people,
        method=said("exact binomial interval of {number}", number=so_many(people, "people")),
        clusters="people",
    )


def undefined_for_few(people: int, message: str) -> Undefined:
    """Why nothing is said of a group of fewer than three: `message` has places for {least} and {n}."""
    return Undefined(reason=said(message, least=LEAST, n=people))
