"""How good the items of suites are, as far as models' answers show it: the tables of docs/suites.md.

What is counted here is about the items, not about the models: whether sides are alike in length, whether swaps without
meaning move nothing, whether true endings are told from broken ones, whether two halves of the templates say the same,
and which items tell nothing apart in any run that was looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.escaping import for_markdown
from audit.measures.competence import competence, unreadable
from audit.measures.culture import capacity
from audit.measures.judgement import dilemma_margins, paraphrase_agreement, statement_effects
from audit.measures.stereotype import control_effect, effects
from audit.measures.view import Cube, Floats, mean_by, prepare
from audit.records import Estimate, Evidence, Kind, Undefined
from audit.suites.languages import language_name

SPLITS = 500  # of the templates into halves
FEWEST_TOPICS = 4  # a correlation over fewer says nothing
ALIKE = 1  # tokens by which two sides may differ and still count as alike
TELLING = {  # what an item's score is, and when it tells something apart
    Kind.COMPETENCE: "the true ending is likelier than the broken one",
    Kind.CULTURE: "the culture's name makes its answer likelier",
    Kind.STEREOTYPE: "the effect is larger than the spread of the control pairs",
    Kind.VALUES: "the effect is larger than the spread of the control pairs",
    Kind.DILEMMA: "the preference is larger than the liking for a label or a place",
}


@dataclass(frozen=True, kw_only=True)
class LanguageQuality:
    """One suite in one language, in one run."""

    suite: str
    kind: Kind
    language: str
    model: str
    read: bool  # the model passes the bar of competence there
    items: int  # scored, controls included
    quarantined: int
    alike: float | None  # share of items whose two sides differ by at most one token; None: the kind has no two sides
    controls: Estimate | Undefined | None  # mean effect of the control pairs, nats; None: not a kind with such pairs
    right: Estimate | Undefined | None  # competence
    halves: float | Undefined  # correlation of topics between halves of the templates, stepped up to the whole length
    paraphrases: Estimate | Undefined | None  # of dilemmas: agreement of the two paraphrases; None: another kind


def qualities(evidence: Evidence) -> tuple[LanguageQuality, ...]:
    """Every suite of a run, language by language."""
    view = prepare(evidence)
    unread = unreadable(view)
    controls = {(one.scope.suite, one.scope.language): one.result for one in control_effect(view)}
    paraphrases = {(one.scope.suite, one.scope.language): one.result for one in paraphrase_agreement(view)}
    right = {(one.scope.suite, one.scope.language): one.result for one in competence(view)}
    return tuple(
        LanguageQuality(
            suite=cube.suite,
            kind=cube.kind,
            language=language,
            model=evidence.manifest.model.name,
            read=language not in unread,
            items=int((cube.language == language).sum()),
            quarantined=int(((cube.language == language) & cube.held).sum()),
            alike=_alike(cube, language),
            controls=controls.get((cube.suite, language)),
            right=right.get((cube.suite, language)),
            halves=split_half(cube, scores(cube), language),
            paraphrases=paraphrases.get((cube.suite, language)),
        )
        for cube in view.cubes
        if cube.kind in TELLING
        for language in cube.languages
    )


def scores(cube: Cube) -> Floats:
    """What an item says, (n,): nats, for culture bits."""
    if cube.kind is Kind.COMPETENCE:
        return cube.at("", "true") - cube.at("", "broken")
    if cube.kind is Kind.STEREOTYPE:
        return effects(cube).total
    if cube.kind is Kind.CULTURE:
        return capacity(cube)[0]
    if cube.kind is Kind.VALUES:
        return statement_effects(cube)[0]
    return np.asarray(dilemma_margins(cube)[0].mean(axis=1))


_SIDES = {Kind.COMPETENCE: ("true", "broken"), Kind.STEREOTYPE: ("a", "b"), Kind.VALUES: ("agree", "disagree")}


def _alike(cube: Cube, language: str) -> float | None:
    """Share of items whose two answers differ by at most `ALIKE` tokens, of their likelier alternatives."""
    if cube.kind not in _SIDES:
        return None
    one, other = (cube.roles.index(role) for role in _SIDES[cube.kind])
    apart = np.abs(cube.n_tokens[:, :, one] - cube.n_tokens[:, :, other])[cube.language == language]
    asked = np.isfinite(apart)
    worst = np.where(asked, apart, 0).max(axis=1)[asked.any(axis=1)]
    return float((worst <= ALIKE).mean()) if len(worst) else None


def split_half(cube: Cube, values: Floats, language: str) -> float | Undefined:
    """Do two halves of a language's templates order the topics alike?

    Templates of each topic are dealt at random into two halves; the topics' means are correlated between the halves,
    averaged over `SPLITS` deals (Fisher z) and stepped up to the whole suite's length (Spearman-Brown: 2r / (1 + r)).
    For culture the topics are the cultures and the templates their facets; for values the frameworks.
    """
    if cube.kind in {Kind.COMPETENCE, Kind.DILEMMA}:
        return Undefined(reason="items of this kind have no topics to order")  # a dilemma stands between two frameworks
    topics = {Kind.CULTURE: cube.culture, Kind.VALUES: cube.framework}.get(cube.kind, cube.topic)
    rows = cube.used(values) & (cube.language == language)
    groups: list[Floats] = []
    if rows.any():
        units = cube.topic if cube.kind is Kind.CULTURE else cube.template
        means, (topic, _) = mean_by(values[rows], topics[rows], units[rows])
        groups = [means[topic == one] for one in dict.fromkeys(topic) if (topic == one).sum() >= 2]
    if len(groups) < FEWEST_TOPICS:
        return Undefined(reason=f"fewer than {FEWEST_TOPICS} topics with two templates")
    random = np.random.default_rng(0)
    found = []
    for _ in range(SPLITS):
        halves = []
        for group in groups:
            order = random.permutation(len(group))
            cut = len(group) // 2 + int(random.integers(2)) * (len(group) % 2)
            halves.append((group[order[:cut]].mean(), group[order[cut:]].mean()))
        one, other = np.array(halves).T
        if one.std() == 0 or other.std() == 0:
            return Undefined(reason="all topics score alike in a half")
        found.append(np.arctanh(np.clip(np.corrcoef(one, other)[0, 1], -0.999999, 0.999999)))
    r = float(np.tanh(np.mean(found)))
    return 2 * r / (1 + r) if r > 0 else r  # Spearman-Brown is for agreement; below none there is nothing to step up


def telling(cube: Cube, language: str, *, floor: float) -> dict[str, bool]:
    """By item of a language, whether it tells something apart (`TELLING`), controls and quarantined items left out."""
    values = scores(cube)
    mine = cube.language == language
    if cube.kind in {Kind.COMPETENCE, Kind.CULTURE}:
        bar, size = floor if cube.kind is Kind.COMPETENCE else 0.0, values
    else:
        size = np.abs(values)
        spread = values[cube.controls(values) & mine]
        bar = float(spread.std(ddof=1)) if len(spread) > 1 else float("nan")
        if cube.kind is Kind.DILEMMA:
            liking = dilemma_margins(cube)[1][mine]
            bar = float(np.nanmean(np.abs(liking))) if np.isfinite(liking).any() else float("nan")
    rows = cube.used(values) & mine
    if not np.isfinite(bar):
        return {}
    return {str(item): bool(one > bar) for item, one in zip(cube.item[rows], size[rows], strict=True)}


def silent(runs: Sequence[Evidence]) -> Mapping[str, Mapping[str, int]]:
    """Items that tell nothing apart in any language that is read, in any of the runs: suite -> item -> languages asked.

    Competence items are judged in every language: it is they that say which are read.
    """
    asked: dict[str, dict[str, int]] = {}
    told: dict[str, set[str]] = {}
    for evidence in runs:
        view = prepare(evidence)
        unread = unreadable(view)
        for cube in view.cubes:
            if cube.kind not in TELLING:
                continue
            for language in cube.languages:
                if language in unread and cube.kind is not Kind.COMPETENCE:
                    continue
                for item, tells in telling(cube, language, floor=view.floor).items():
                    counted = asked.setdefault(cube.suite, {})
                    counted[item] = counted.get(item, 0) + 1
                    if tells:
                        told.setdefault(cube.suite, set()).add(item)
    return {
        suite: {item: n for item, n in sorted(items.items()) if item not in told.get(suite, set())}
        for suite, items in sorted(asked.items())
    }


# --- as Markdown ------------------------------------------------------------------------------

INTRODUCTION = """
# How good the items are

Counted by `plural-audit suites quality` from the answers of these runs:

{runs}

The tables are about the items, not about the models. No native speaker has reviewed a wording unless `suites list`
says so.

- **read**: the model passes the bar of competence in the language; where it does not, its answers say little about
  items.
- **quarantined**: by the linter; asked and counted, but no finding rests on them.
- **sides within one token**: share of items whose two answers take the same number of tokens of this model, or one
  more. Where few are alike, log-probabilities mix meaning with length.
- **control pairs**: mean effect of swaps without social meaning, with its 95 % interval; it should include 0.
- **right**: share of competence items whose true ending is likelier than the broken one, with its exact 95 % interval;
  guessing gives 0.5.
- **halves agree**: the templates of each topic are dealt into two halves {splits} times, the topics' means correlated
  between the halves (Fisher z averaged) and stepped up to the whole suite's length (Spearman-Brown; a correlation below
  0 is given as it is). 1: another set of such items would order axes, cultures or frameworks alike; 0: it would order
  them otherwise, and differences between them are those of single items. It does not say whether an effect is there.
- **paraphrases agree**: uncentred correlation of the margins of a dilemma's two paraphrases, with its 95 % interval; 0
  where answers hang on the wording.

A stereotype's two sides differ in nothing but the filler of one slot: the format allows nothing else. That an item
tells nothing apart *nowhere* is a weak test where languages are many: by chance alone most items do so somewhere.
"""


def as_markdown(runs: Sequence[Evidence]) -> str:
    """What the columns mean, a table a suite, and the items that tell nothing apart.

    What two runs of a model say alike, as of a suite that was asked in both, is told once.
    """
    rows: list[LanguageQuality] = []
    for evidence in runs:
        rows += [row for row in qualities(evidence) if row not in rows]
    manifests = [evidence.manifest for evidence in runs]
    named = "\n".join(f"- {for_markdown(one.model.name)}: run {one.run_id}" for one in manifests)
    lines = [INTRODUCTION.strip().format(runs=named, splits=SPLITS)]
    for suite in dict.fromkeys(row.suite for row in rows):
        lines += ["", f"## {for_markdown(suite)}", "", *_table([row for row in rows if row.suite == suite])]
    lines += ["", "## Items that told nothing apart", "", *_silent_lines(runs, rows)]
    return "\n".join(lines).strip() + "\n"


def _table(rows: Sequence[LanguageQuality]) -> Iterator[str]:
    kind = rows[0].kind
    titles = ["language", "model", "read", "items", "quarantined"]
    titles += ["sides within one token"] if kind in _SIDES else []
    titles += ["control pairs, nats"] if kind is Kind.STEREOTYPE else []
    titles += [{Kind.COMPETENCE: "right", Kind.DILEMMA: "paraphrases agree"}.get(kind, "halves agree")]
    yield f"| {' | '.join(titles)} |"
    yield f"| {' | '.join(['---'] * 3 + ['---:'] * (len(titles) - 3))} |"
    for row in sorted(rows, key=lambda one: (one.language, one.model)):
        names = [for_markdown(language_name(row.language)), for_markdown(row.model)]
        cells = [*names, "yes" if row.read else "no", str(row.items), str(row.quarantined)]
        cells += [f"{row.alike:.0%}" if row.alike is not None else "–"] if kind in _SIDES else []
        cells += [_interval(row.controls)] if kind is Kind.STEREOTYPE else []
        again = {Kind.COMPETENCE: row.right, Kind.DILEMMA: row.paraphrases}
        cells += [_interval(again[kind]) if kind in again else _number(row.halves)]
        yield f"| {' | '.join(cells)} |"


def _interval(result: Estimate | Undefined | None) -> str:
    if isinstance(result, Estimate):
        return f"{result.value:.2f} ({result.low:.2f} to {result.high:.2f})"
    return f"– ({result.reason})" if isinstance(result, Undefined) else "–"


def _number(value: float | Undefined) -> str:
    return f"– ({value.reason})" if isinstance(value, Undefined) else f"{value:.2f}"


def _silent_lines(runs: Sequence[Evidence], rows: Sequence[LanguageQuality]) -> Iterator[str]:
    kinds = {row.suite: row.kind for row in rows}
    for suite, items in silent(runs).items():
        named = ", ".join(f"`{item}`" for item in items) or "none"
        yield f"- **{for_markdown(suite)}** ({TELLING[kinds[suite]]} nowhere): {named}."
