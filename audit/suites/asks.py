"""Compiles the words of every kind of suite into the one shape that is put to a model: `Ask`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import regex

from audit.records import Ask, Item
from audit.suites.files import SuiteFiles, answers_by_culture
from audit.suites.languages import language
from audit.suites.schema import (
    AnyFile,
    AnySuite,
    CompetenceWords,
    CultureDesign,
    CultureFile,
    CultureSuite,
    CultureWords,
    DesignItem,
    DilemmaDesign,
    DilemmaFile,
    DilemmaWords,
    PairDesign,
    PairWords,
    ParallelWords,
    StereotypeDesign,
    StereotypeWords,
    ValueDesign,
    ValueFile,
    ValueWords,
    Words,
)


def compile_items(
    files: SuiteFiles,
    *,
    skip: Callable[[str, DesignItem], bool] | None = None,
    quarantine: Callable[[str, DesignItem], str] | None = None,
) -> tuple[Item, ...]:
    """Every item in every language, sorted by id, then language.

    Args:
        files: The suite as read.
        skip: Tells by language and item which items cannot be compiled, for lack of a slot or a word; none if None.
        quarantine: Why an item supports no headline in a language; "" where it does, and everywhere if None.
    """
    items = []
    for code, file in files.words.items():
        written: Mapping[str, Words] = {words.id: words for words in file.item}
        for item in files.design.item:
            if item.id in written and not (skip and skip(code, item)):
                why = quarantine(code, item) if quarantine else ""
                items.append(_compiled(files.design, file, item, written[item.id], why))
    return tuple(sorted(items, key=lambda item: (item.id, item.language)))


def _compiled(design: AnySuite, file: AnyFile, item: DesignItem, words: Words, quarantine: str) -> Item:
    frameworks: tuple[str, ...] = ()
    if isinstance(item, ValueDesign):
        frameworks = (item.framework,) if item.framework else ()
    elif isinstance(item, DilemmaDesign) and item.framework:
        frameworks = (item.framework, item.other_framework)
    grouped = item if isinstance(item, StereotypeDesign | PairDesign) else None
    return Item(
        id=item.id,
        language=file.language,
        template=item.template or item.id,
        topic=item.topic,
        control=item.control,
        asks=tuple(_asks(design, file, item, words)),
        origin=words.origin or file.origin,
        author=words.author or file.author,
        reviewed=file.reviewed if words.reviewed is None else words.reviewed,
        groups=(grouped.base_group, grouped.counterpart_group) if grouped and grouped.base_group else None,
        culture=item.culture if isinstance(item, CultureDesign) else None,
        frameworks=frameworks,
        regions=grouped.regions if grouped else (),
        source=grouped.source if grouped else "",
        quarantine=quarantine,
    )


@dataclass(frozen=True)
class _Joined:
    """Puts between prompt and answer what the language puts there."""

    joiner: str

    def __call__(self, /, **answers: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        return {role: tuple(self.joiner + text for text in texts) for role, texts in answers.items()}


def _asks(design: AnySuite, file: AnyFile, item: DesignItem, words: Words) -> Iterator[Ask]:
    joined = _Joined(language(file.language).joiner)
    match words:
        case StereotypeWords():
            yield from _stereotype(words, joined)
        case PairWords():
            yield from _pair(words, joined)
        case CultureWords():
            assert isinstance(design, CultureSuite)
            assert isinstance(file, CultureFile)
            assert isinstance(item, CultureDesign)
            yield from _culture(design, file, item, joined)
        case ValueWords():
            assert isinstance(file, ValueFile)
            yield from _values(words, file, joined)
        case DilemmaWords():
            assert isinstance(file, DilemmaFile)
            yield from _dilemma(words, file, joined)
        case CompetenceWords():
            yield Ask(context="", prompt=words.text, answers=joined(true=words.true, broken=words.broken))
        case ParallelWords():
            yield Ask(context="", prompt="", answers={"text": (words.text,)})


def _stereotype(words: StereotypeWords, joined: _Joined) -> Iterator[Ask]:
    fillers = {"base": words.base, "counterpart": words.counterpart, "neutral": words.neutral}
    for context, filler in fillers.items():
        if filler is not None:
            prompt, slot = filled(words.text, filler)
            yield Ask(context=context, prompt=prompt, answers=joined(a=words.a, b=words.b), slot=slot)


def _pair(words: PairWords, joined: _Joined) -> Iterator[Ask]:
    by = r"\S+" if joined.joiner else r"\X"  # words, or letters where words are not separated
    for context, prompt, other in (
        ("base", words.base, words.counterpart),
        ("counterpart", words.counterpart, words.base),
    ):
        yield Ask(
            context=context, prompt=prompt, answers=joined(shared=words.shared), slot=differing(prompt, other, by=by)
        )


def _culture(design: CultureSuite, file: CultureFile, item: CultureDesign, joined: _Joined) -> Iterator[Ask]:
    facet = file.facet[item.topic]
    answers = joined(**answers_by_culture(design, file, item.topic))
    for number, wording in enumerate(facet.wordings, start=1):
        prompt, slot = filled(wording, file.where[item.culture])
        yield Ask(context=f"asked/{number}", prompt=prompt, answers=answers, slot=slot)
    for number, wording in enumerate(facet.neutral, start=1):
        yield Ask(context=f"neutral/{number}", prompt=wording, answers=answers)


def _values(words: ValueWords, file: ValueFile, joined: _Joined) -> Iterator[Ask]:
    statements = {"endorse": words.endorse, "reject": words.reject, "neutral": words.neutral}
    for number, frame in enumerate(file.frame, start=1):
        answers = joined(agree=frame.agree, disagree=frame.disagree)
        for context, statement in statements.items():
            if statement is not None:
                prompt, slot = filled(frame.text, statement)
                yield Ask(context=f"{context}/{number}", prompt=prompt, answers=answers, slot=slot)


def _dilemma(words: DilemmaWords, file: DilemmaFile, joined: _Joined) -> Iterator[Ask]:
    first_label, second_label = file.labels
    for number, situation in enumerate(words.situation, start=1):
        a, b = words.a[min(number, len(words.a)) - 1], words.b[min(number, len(words.b)) - 1]
        in_order = _laid_out(file.layout, situation=situation, first=a, second=b)
        yield Ask(context=f"{number}/ab", prompt=in_order, answers=joined(a=(first_label,), b=(second_label,)))
        reversed_ = _laid_out(file.layout, situation=situation, first=b, second=a)
        yield Ask(context=f"{number}/ba", prompt=reversed_, answers=joined(a=(second_label,), b=(first_label,)))


def filled(frame: str, filler: str) -> tuple[str, tuple[int, int]]:
    """The frame with its one slot filled, and the span of characters that the filler takes."""
    before, after = frame.split("{}")
    return before + filler + after, (len(before), len(before) + len(filler))


def differing(text: str, other: str, *, by: str = r"\S+") -> tuple[int, int]:
    """From the unit at which `text` parts from `other` to the end of `text`, as a span of characters."""
    words, others = list(regex.finditer(by, text)), regex.findall(by, other)
    for word, twin in zip(words, others, strict=False):
        if word.group() != twin:
            return word.start(), len(text)
    return (words[len(others)].start() if len(words) > len(others) else len(text)), len(text)


def _laid_out(layout: str, **parts: str) -> str:
    """One pass, so that braces inside a situation stay as they were written."""
    return re.sub(r"\{(situation|first|second)\}", lambda found: parts[found[1]], layout)
