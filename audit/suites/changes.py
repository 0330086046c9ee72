"""What changed between two versions of a suite, and which findings of a run rest on what changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audit.errors import RunError, UsageError
from audit.records import Evidence, Finding, Suite, SuiteRecord
from audit.runs import find_run
from audit.suites.load import list_builtin, load_suite

# Fields that say who wrote and read the words; a change of them changes no number.
PROVENANCE = ("origin", "author", "reviewed")
WORDS, KEPT_BACK = "words", "words cannot be compared: the licence keeps them out of run folders"


@dataclass(frozen=True, kw_only=True)
class Version:
    """A suite at one time: from a folder, or as a run was asked it."""

    label: str
    record: SuiteRecord
    languages: tuple[str, ...]
    items: Mapping[
        tuple[str, str], Mapping[str, Any]
    ]  # (language, id) -> field -> value; "words" is None where unknown
    core: tuple[str, ...] | None = None  # ids that the short audit asks; None of a run, which does not know


@dataclass(frozen=True, kw_only=True)
class Change:
    """One item in one language, and what of it is not the same."""

    language: str
    item: str
    what: tuple[str, ...]  # "added", "removed", "declared absent", or the fields that changed
    before: Mapping[str, str] = field(default_factory=dict)  # prompts and answers that differ, as text
    after: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_numbers(self) -> bool:
        """Whether numbers of the item before and after are not of the same question."""
        return any(name not in PROVENANCE and name != "added" for name in self.what)


@dataclass(frozen=True, kw_only=True)
class Rests:
    """A finding that rests on items that changed."""

    finding: str
    sentence: str
    n_items: int  # items it rests on, once per suite and id
    changed: tuple[str, ...]  # ids of those that changed or are gone, in a language it speaks of


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two versions of a suite."""

    old: str
    new: str
    old_version: str
    new_version: str
    declared: tuple[str, ...]  # fields of the declaration that changed
    languages: tuple[str, ...]  # of the old one
    languages_added: tuple[str, ...]
    languages_removed: tuple[str, ...]
    changes: tuple[Change, ...]
    unchanged: int  # items, once per language
    core_added: tuple[str, ...] = ()  # items that the short audit asks now, and those that it asks no longer
    core_removed: tuple[str, ...] = ()
    findings: tuple[Rests, ...] = ()
    n_findings: int | None = None  # of the run on this suite; None where no run was named


def version_of(reference: str, *, runs: Path = Path("runs")) -> Version:
    """A suite by its folder, by the name of a built-in one, or as a run was asked it: RUN/SUITE.

    Raises:
        UsageError: there is no such suite in the run.
        SuiteError: no such suite, or it is refused.
        RunError: the run is damaged.
    """
    path = Path(reference)
    if reference in list_builtin() or path.is_dir():
        core = sorted({item.id for item in load_suite(reference, core=True).items})
        return replace(_loaded(load_suite(reference), label=reference), core=tuple(core))
    try:
        run = find_run(str(path.parent), runs=runs)
    except RunError:
        raise UsageError(
            f'"{reference}": no folder, no built-in suite, and no suite of a run, as RUN/SUITE; name one of these'
        ) from None
    return stored(run.read_evidence(), path.name, label=reference)


def _loaded(suite: Suite, *, label: str) -> Version:
    items = {
        (item.language, item.id): {
            "template": item.template,
            "topic": item.topic,
            "control": item.control,
            "groups": item.groups or ("", ""),
            "culture": item.culture or "",
            "frameworks": (*item.frameworks, "", "")[:2],
            "regions": "; ".join(item.regions),
            "source": item.source,
            "origin": item.origin,
            "author": item.author,
            "reviewed": item.reviewed,
            "quarantine": item.quarantine,
            WORDS: [
                {"context": ask.context, "prompt": ask.prompt, "answers": {k: list(v) for k, v in ask.answers.items()}}
                for ask in item.asks
            ],
        }
        for item in suite.items
    }
    return Version(label=label, record=suite.record, languages=suite.languages, items=items)


def stored(evidence: Evidence, name: str, *, label: str) -> Version:
    """A suite as a run was asked it; words are unknown where its licence keeps them out of run folders.

    Raises:
        UsageError: the run was not asked it.
    """
    record = next((suite for suite in evidence.manifest.suites if suite.name == name), None)
    if record is None:
        known = ", ".join(suite.name for suite in evidence.manifest.suites)
        raise UsageError(f'{label}: the run was asked no suite "{name}"; it was asked {known}')
    rows = evidence.items[evidence.items["suite"] == name]
    items: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows.to_dict("records"):
        asks = json.loads(row["texts"]) if row["texts"] else None
        items[row["language"], row["item"]] = {
            **{key: row[key] for key in ("template", "topic", "control", "culture", "regions", "source")},
            "groups": (row["base_group"], row["counterpart_group"]),
            "frameworks": (row["framework"], row["other_framework"]),
            **{key: row[key] for key in (*PROVENANCE, "quarantine")},
            WORDS: asks and [{key: ask[key] for key in ("context", "prompt", "answers")} for ask in asks],
        }
    return Version(
        label=label, record=record, languages=tuple(sorted({language for language, _ in items})), items=items
    )


def difference(old: Version, new: Version) -> Difference:
    """What is not the same, item by item, in the languages that both have.

    Raises:
        UsageError: suites of different kinds.
    """
    if old.record.kind is not new.record.kind:
        raise UsageError(
            f"{old.label} is of kind {old.record.kind}, {new.label} of kind {new.record.kind}; name two versions of one"
        )
    common = [language for language in old.languages if language in new.languages]
    keys = sorted(key for key in {*old.items, *new.items} if key[0] in common)
    same_digest = old.record.digest == new.record.digest
    changes = [
        change for language, id_ in keys if (change := _change(old, new, language, id_, same_digest=same_digest))
    ]
    declared = tuple(
        name
        for name in SuiteRecord.__dataclass_fields__
        if name not in {"name", "version", "digest", "absent"}
        and getattr(old.record, name) != getattr(new.record, name)
    )
    core_known = old.core is not None and new.core is not None
    core_before, core_after = (set(one.core or ()) if core_known else set[str]() for one in (old, new))
    return Difference(
        old=old.label,
        new=new.label,
        old_version=old.record.version,
        new_version=new.record.version,
        declared=declared,
        languages=old.languages,
        languages_added=tuple(one for one in new.languages if one not in old.languages),
        languages_removed=tuple(one for one in old.languages if one not in new.languages),
        changes=tuple(changes),
        unchanged=len(keys) - len(changes),
        core_added=tuple(sorted(core_after - core_before)),
        core_removed=tuple(sorted(core_before - core_after)),
    )


def _change(old: Version, new: Version, language: str, id_: str, *, same_digest: bool) -> Change | None:
    one, other = old.items.get((language, id_)), new.items.get((language, id_))
    if one is None:
        return Change(language=language, item=id_, what=("added",))
    if other is None:
        gone = "declared absent" if id_ in new.record.absent.get(language, {}) else "removed"
        return Change(language=language, item=id_, what=(gone,))
    what = [name for name, value in one.items() if name != WORDS and value != other[name]]
    if one[WORDS] is None or other[WORDS] is None:
        what += [] if same_digest else [KEPT_BACK]
        return Change(language=language, item=id_, what=tuple(what)) if what else None
    before, after = _lines(one[WORDS]), _lines(other[WORDS])
    differing = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    what += [WORDS] if differing else []
    if not what:
        return None
    return Change(
        language=language,
        item=id_,
        what=tuple(what),
        before={key: before[key] for key in differing if key in before},
        after={key: after[key] for key in differing if key in after},
    )


def _lines(asks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Prompts and answers of an item, each under what it is, as text."""
    lines = {}
    for ask in asks:
        lines[f"{ask['context']} prompt".strip()] = ask["prompt"]
        for role, texts in ask["answers"].items():
            lines[f"{ask['context']} {role}".strip()] = " | ".join(text.strip() for text in texts)
    return lines


def resting_on(
    found: Difference, findings: Iterable[Finding], suite: str, *, spoken: Callable[[str], str] = str
) -> tuple[tuple[Rests, ...], int]:
    """Which findings rest on items whose question is not the same any more, and how many rest on the suite at all.

    A finding over all languages rests on an item if it changed in any; one of a language, or of two, only on what
    changed there. Items that were added change no finding that there is.

    Args:
        found: the change.
        findings: of a run that was asked the old version.
        suite: its name there.
        spoken: how sentences are said.
    """
    changed: dict[str, set[str]] = {}
    for one in found.changes:
        if one.of_numbers:
            changed.setdefault(one.item, set()).add(one.language)
    rests, n = [], 0
    for finding in findings:
        ids = [name.removeprefix(f"{suite}/") for name in finding.measurement.items if name.startswith(f"{suite}/")]
        n += bool(ids)
        scope = finding.measurement.scope
        languages = {scope.language, scope.other_language} - {""} or set(found.languages)
        lost = languages.intersection(found.languages_removed)
        if hit := [id_ for id_ in ids if lost or languages & changed.get(id_, set())]:
            rests.append(
                Rests(finding=finding.id, sentence=spoken(finding.sentence), n_items=len(ids), changed=tuple(hit))
            )
    return tuple(rests), n


def asked_otherwise(old: Version, run: Version) -> tuple[str, ...]:
    """Items of a run ("language/id") that were asked in other words than `old` has; a run may have asked fewer."""
    shared = [key for key in run.items if key in old.items]
    return tuple(
        "/".join(key)
        for key in shared
        if run.items[key][WORDS] is not None
        and old.items[key][WORDS] is not None
        and run.items[key][WORDS] != old.items[key][WORDS]
    ) + tuple("/".join(key) for key in run.items if key not in old.items)
