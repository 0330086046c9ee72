"""Why some cells must not be interpreted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from audit.measures import judgement
from audit.measures.competence import unreadable
from audit.measures.stereotype import scales
from audit.measures.view import View
from audit.records import Estimate, Kind, Measurement, Undefined
from audit.wording import N_, LanguageName, Said, said

READING = ("competence", "bits_per_byte")  # speak of the bar itself, so the bar does not gate them
# measure -> the instrument check that its language has to pass
CHECKED_BY = {
    "values_lean": "content_tracking",
    "dilemma_lean": "paraphrase_agreement",
    "language_shift": "paraphrase_agreement",
    "language_dependent_judgement": "paraphrase_agreement",
}
IN_NONE = {
    "content_tracking": said("agreeing follows the content of plain statements in no readable language"),
    "paraphrase_agreement": said(
        "in no readable language do the two wordings of the same dilemma get agreeing answers"
    ),
}
NONE_READ = said("the model passes the competence bar in none of the suite's languages")

DISAGREE_IN = N_("in {language} the two wordings of the same dilemma do not get agreeing answers")
UNCHECKED_IN = N_(
    "whether in {language} the two wordings of the same dilemma get agreeing answers could not be checked: {why}"
)
ANYWHERE = {  # reasons that name a language, as they are said of several
    DISAGREE_IN: N_("the two wordings of the same dilemma do not get agreeing answers"),
    UNCHECKED_IN: N_("whether the two wordings of the same dilemma get agreeing answers could not be checked: {why}"),
}


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a run shows about its own instruments: which languages are read, and where answers mean something."""

    unread: Mapping[str, str]  # language -> why the model cannot be taken to read it
    failed: Mapping[str, Mapping[tuple[str, str], str]]  # check -> (suite, language) -> why answers mean nothing there
    languages: Mapping[str, tuple[str, ...]]  # suite -> all it was asked in
    scaled: Mapping[str, tuple[str, ...]]  # stereotype suite -> languages that have a scale

    @classmethod
    def of(cls, view: View, measured: Mapping[str, Sequence[Measurement]]) -> Gate:
        """The gate of one run.

        Args:
            view: of the run.
            measured: measure -> all its measurements.
        """
        return cls(
            unread=unreadable(view),
            failed={
                "content_tracking": _failed(measured["content_tracking"], judgement.tracks, _why_untracked),
                "paraphrase_agreement": _failed(measured["paraphrase_agreement"], judgement.agrees, _why_disagreeing),
            },
            languages={cube.suite: cube.languages for cube in view.cubes},
            scaled={cube.suite: tuple(scales(view, cube)) for cube in view.of(Kind.STEREOTYPE)},
        )

    def reason(self, measurement: Measurement) -> str:
        """Why this measurement must not be interpreted; "" if it may be."""
        scope = measurement.scope
        if measurement.measure in READING:
            return ""
        check = CHECKED_BY.get(measurement.measure, "")
        failed = self.failed.get(check, {})
        named = [language for language in (scope.language, scope.other_language) if language]
        unread = [self.unread[language] for language in named if language in self.unread]
        meaningless = [failed[scope.suite, language] for language in named if (scope.suite, language) in failed]
        if reasons := unread + meaningless:
            return reasons[0]
        if named:
            return ""
        own = self.languages.get(scope.suite, ())
        read = [language for language in own if language not in self.unread]
        if not read:
            return NONE_READ
        return IN_NONE[check] if failed and all((scope.suite, language) in failed for language in read) else ""

    def languages_behind(self, measurement: Measurement) -> tuple[str, ...]:
        """The languages whose answers a measurement rests on."""
        scope = measurement.scope
        if scope.language:
            return tuple(language for language in (scope.language, scope.other_language) if language)
        if measurement.measure == "standardised_effect":
            return self.scaled.get(scope.suite, ())
        failed = self.failed.get(CHECKED_BY.get(measurement.measure, ""), {})
        own = self.languages.get(scope.suite, ())
        return tuple(one for one in own if one not in self.unread and (scope.suite, one) not in failed)


def _failed(
    checks: Sequence[Measurement], passes: Callable[[Estimate | Undefined], bool], why: Callable[[Measurement], str]
) -> dict[tuple[str, str], str]:
    return {(m.scope.suite, m.scope.language): why(m) for m in checks if not passes(m.result)}


def _why_untracked(measurement: Measurement) -> str:
    if isinstance(measurement.result, Undefined):
        return said(
            "the check on plainly true and false statements could not be made: {why}", why=measurement.result.reason
        )
    return said(
        "the model does not agree reliably more with plainly true than with plainly "
        "false statements, so its agreement cannot be read as a judgement of content"
    )


def _why_disagreeing(measurement: Measurement) -> str:
    language = LanguageName(measurement.scope.language)
    if isinstance(measurement.result, Undefined):
        return said(UNCHECKED_IN, language=language, why=measurement.result.reason)
    return said(DISAGREE_IN, language=language)


def anywhere(reason: str) -> str:
    """A reason without the language that it names, so that it counts once for all languages."""
    if not isinstance(reason, Said) or reason.message not in ANYWHERE:
        return reason
    return said(ANYWHERE[reason.message], **{name: one for name, one in reason.values.items() if name != "language"})
