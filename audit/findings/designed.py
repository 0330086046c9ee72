"""What each family holds by the design of the suites, whatever became of the items when they were asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations, product

from audit.measures.feature_tables import KNOWLEDGE, PATHWAY, STEERING, looked_at
from audit.measures.judgement import RIGHTS, RIGHTS_TOPIC
from audit.records import Evidence, Kind, Measurement, Scope, Undefined
from audit.wording import N_, in_turn, said

INSIDE = (  # these look inside the model, which a run may leave out
    "circuit_share",
    "circuit_sufficiency",
    "circuit_strength",
    "circuit_controls",
    "circuit_transfer",
    "circuit_overlap",
    "screening_error",
)
FEATURES = {  # what they look at, which a run may leave out: a lens, or a table of what SAE latents do
    "representation_capacity": "",  # its own lens
    "representation_gap": "",
    "pathway_capacity": PATHWAY,
    "pathway_gap": PATHWAY,
    "representation_diversity": "",
    "underrepresentation": KNOWLEDGE,  # that is, any
    "context_activation": "scores",
    "framework_capacity": "",
    "framework_difference": "",
    "steering_capacity": STEERING,
    "steering_difference": STEERING,
    "framework_balance": "",
    "framework_conflict": "scores",
    "latent_effect": "causal",
}
KIND_OF = {
    "competence": Kind.COMPETENCE,
    "bits_per_byte": Kind.PARALLEL,
    "stereotype_effect": Kind.STEREOTYPE,
    "control_effect": Kind.STEREOTYPE,
    "standardised_effect": Kind.STEREOTYPE,
    "causal_shared_token_score": Kind.PAIRS,
    "culture_knowledge": Kind.CULTURE,
    "knowledge_gap": Kind.CULTURE,
    "knowledge_diversity": Kind.CULTURE,
    "content_tracking": Kind.VALUES,
    "values_lean": Kind.VALUES,
    "paraphrase_agreement": Kind.DILEMMA,
    "dilemma_lean": Kind.DILEMMA,
    "language_dependent_judgement": Kind.DILEMMA,
    "language_shift": Kind.DILEMMA,
    **dict.fromkeys(INSIDE, Kind.STEREOTYPE),
    "representation_capacity": Kind.CULTURE,
    "representation_gap": Kind.CULTURE,
    "pathway_capacity": Kind.CULTURE,
    "pathway_gap": Kind.CULTURE,
    "representation_diversity": Kind.CULTURE,
    "underrepresentation": Kind.CULTURE,
    "context_activation": Kind.CULTURE,
    "framework_capacity": Kind.VALUES,
    "framework_difference": Kind.VALUES,
    "steering_capacity": Kind.DILEMMA,
    "steering_difference": Kind.DILEMMA,
    "framework_balance": Kind.VALUES,  # and dilemmas, where they are steered
    "framework_conflict": Kind.DILEMMA,
    "latent_effect": Kind.CULTURE,  # and values
}
ALSO_OF = {"framework_balance": Kind.DILEMMA, "latent_effect": Kind.VALUES}
REASONS_TOLD = 2
NOT_SCORED = N_("no answer was scored")


@dataclass(frozen=True, kw_only=True)
class _Row:
    """An item in one language, and what kept it from supporting anything."""

    suite: str
    kind: str
    language: str
    item: str
    control: bool
    topic: str
    culture: str
    framework: str
    other_framework: str
    lost: str | None  # None if it was asked and counts


@dataclass(frozen=True, kw_only=True)
class Design:
    """The items of a run as they were meant to be asked."""

    rows: tuple[_Row, ...]
    inside: bool = False  # did the run look for circuits?
    looked: Mapping[str, frozenset[str]] = field(default_factory=dict)  # suite -> lenses it was looked at through

    @classmethod
    def of(cls, evidence: Evidence) -> Design:
        """From the table of items, which lists also those that were excluded or quarantined."""
        keys = ["suite", "language", "item"]
        asked = set(evidence.observations[keys].drop_duplicates().itertuples(index=False, name=None))
        why = {tuple(row[:3]): row[3] for row in evidence.exclusions[[*keys, "reason"]].itertuples(index=False)}
        names = [*keys, "kind", "control", "topic", "culture", "framework", "other_framework"]
        table = evidence.items
        rows = []
        for *values, quarantine in zip(*(table[name].tolist() for name in [*names, "quarantine"]), strict=True):
            plain = dict(zip(names, values, strict=True))
            key = tuple(values[:3])
            lost = quarantine or (None if key in asked else why.get(key, NOT_SCORED))
            rows.append(_Row(**plain, lost=lost))
        inside = any(len(table) for table in (evidence.nodes, evidence.circuits, evidence.patches))
        return cls(rows=tuple(rows), inside=inside, looked=looked_at(evidence))

    def missing(
        self, measure: str, per: tuple[str, ...], members: Sequence[Measurement], *, lens: str = ""
    ) -> tuple[Measurement, ...]:
        """The members that a family has by design and that nothing was measured on, each with the reason."""
        measured = {member.scope for member in members}
        scopes = sorted(self.scopes(measure, per, lens=lens) - measured, key=lambda scope: tuple(vars(scope).values()))
        return tuple(
            Measurement(measure=measure, scope=scope, result=Undefined(reason=self._why(measure, scope)), items=())
            for scope in scopes
        )

    def scopes(self, measure: str, per: tuple[str, ...], *, lens: str = "") -> set[Scope]:
        """All scopes of one shape that the suites have items for.

        Args:
            measure: its suites are those of one kind.
            per: the fields of the scope that are filled, apart from the suite.
            lens: where `per` has one, which.
        """
        if measure in INSIDE and not self.inside:
            return set()
        rows = [row for row in self.rows if row.kind in (KIND_OF[measure], ALSO_OF.get(measure))]
        found: set[Scope] = set()
        for suite in sorted({row.suite for row in rows}):
            if measure in FEATURES and not self._through(suite, FEATURES[measure] or lens):
                continue
            mine = [row for row in rows if row.suite == suite]
            own = tuple(name for name in per if name != "lens")
            plain = _pairs(suite, measure, mine) if "other_language" in per else _scopes(suite, own, mine)
            found |= {replace(scope, lens=lens) for scope in plain} if "lens" in per else plain
        if per == ("other_language",):
            return {replace(scope, language="") for scope in found}
        return found

    def _through(self, suite: str, lens: str) -> bool:
        """Was the suite looked at through this lens? Knowledge needs no look, but is told again beside another."""
        looked = self.looked.get(suite, frozenset())
        return bool(looked) if lens == KNOWLEDGE else lens in looked

    def _why(self, measure: str, scope: Scope) -> str:
        kinds = (KIND_OF[measure], ALSO_OF.get(measure))
        rows = [row for row in self.rows if row.kind in kinds and not row.control and _within(row, scope)]
        if measure == "language_shift":
            rows = [row for row in rows if _sets_rights_against_others(row)]
        lost = Counter(row.lost for row in rows if row.lost is not None)
        if sum(lost.values()) < len(rows):
            return said("none of its {n} items could be counted", n=len(rows))
        if not lost:
            return said("the suite has no item of it")
        # Reasons come as plain texts from the evidence; those without figures are in the catalogues.
        # i18n: a reason, and how many items it holds for
        told = [said("{why} ({n})", why=said(why), n=n) for why, n in lost.most_common(REASONS_TOLD)]
        return said("every item of it was excluded or quarantined: {reasons}", reasons=in_turn(told))


def _scopes(suite: str, per: tuple[str, ...], rows: Sequence[_Row]) -> set[Scope]:
    languages = sorted({row.language for row in rows})
    items = [row for row in rows if not row.control]
    if per == ():
        return {Scope(suite=suite)}
    if per == ("language",):
        return {Scope(suite=suite, language=language) for language in languages}
    if "framework" in per:
        if "other_framework" in per:
            named = sorted({name for row in items for name in (row.framework, row.other_framework) if name})
            return {Scope(suite=suite, framework=a, other_framework=b) for a, b in combinations(named, 2)}
        frameworks = {name for row in items for name in (row.framework, row.other_framework) if name}
        # A framework is weighed against all others in a language, also where it has no statement of its own there.
        asked = languages if "language" in per else [""]
        return {Scope(suite=suite, language=one, framework=name) for one, name in product(asked, frameworks)}
    filled = ({name: str(getattr(row, name)) for name in per} for row in items)
    return {Scope(suite=suite, **fields) for fields in filled if all(fields.values())}


def _pairs(suite: str, measure: str, rows: Sequence[_Row]) -> set[Scope]:
    """Both orders where a circuit goes from one language to another; none where no item tells the languages apart."""
    if measure == "language_shift" and not any(_sets_rights_against_others(row) for row in rows if not row.control):
        return set()
    languages = sorted({row.language for row in rows})
    pairs = permutations(languages, 2) if measure == "circuit_transfer" else combinations(languages, 2)
    return {Scope(suite=suite, language=one, other_language=other) for one, other in pairs}


def _sets_rights_against_others(row: _Row) -> bool:
    return row.topic == RIGHTS_TOPIC and (row.framework == RIGHTS) != (row.other_framework == RIGHTS)


def _within(row: _Row, scope: Scope) -> bool:
    def holds(wanted: str, values: Iterable[str]) -> bool:
        return not wanted or wanted in values

    return (
        row.suite == scope.suite
        and (not scope.language or row.language in (scope.language, scope.other_language))
        and holds(scope.topic, (row.topic,))
        and holds(scope.culture, (row.culture,))
        and holds(scope.framework, (row.framework, row.other_framework))
    )
