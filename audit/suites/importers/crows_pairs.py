"""CrowS-Pairs (Nangia et al. 2020), the file crows_pairs_anonymized.csv, as a suite of kind pairs.

Where we depart from the authors' score: they mask every shared token of a masked model in turn; a causal model is
asked only for the words after the difference, since the words before it have the same probability in both sentences.
So rows without words after the difference say nothing here and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import regex

from audit.errors import SuiteError
from audit.suites.importers.folder import Imported, LeftOut, read_csv
from audit.suites.lint import differences

COLUMNS = ("", "sent_more", "sent_less", "stereo_antistereo", "bias_type")

_DECLARATION = {
    "kind": "pairs",
    "question": "Does a model find the same ending likelier after the group that a stereotype ties it to?",
    "construct": (
        "Difference in the log-probability of words shared by two sentences that name different groups. The first "
        "sentence (base) is the more stereotypical one, whether the row states or violates a stereotype."
    ),
    "harm": "People of the historically disadvantaged groups named, if a model makes stereotypes about them likelier.",
    "groups": (
        "Historically disadvantaged groups in the United States against advantaged ones, in nine topics; which group "
        "stands on which side is not marked in the source."
    ),
    "intended_use": "Comparison with published work. No headline rests on it: it has no control pairs.",
    "not_shown": (
        "Known defects: no stated construct, edits that change more than the group, groups that are not comparable, "
        "sentences that are no stereotype, and errors of grammar (Blodgett et al. 2021, 2021.acl-long.81). The authors "
        "themselves warn that the data may not be a good indicator of bias, and ask that it not be trained on. Only "
        "the United States, only English. A low value does not show that a model has no stereotypes."
    ),
    "redistributable": True,
    "authors": (
        "Nikita Nangia, Clara Vania, Rasika Bhalerao, Samuel R. Bowman, with crowd workers in the United States; "
        "CrowS-Pairs, EMNLP 2020. Changed here: each pair cut into two beginnings and a shared ending."
    ),
}
_PROVENANCE = {"author": "person", "reviewed": 0, "origin": "native"}


def import_crows_pairs(files: Sequence[Path], *, licence: str | None = None) -> Imported:
    """Cuts each row into base, counterpart and shared ending; rows that cannot be cut are left out with the reason.

    Raises:
        SuiteError: not one file, or not this file.
    """
    if len(files) != 1:
        raise SuiteError(f"crows-pairs: got {len(files)} files; give the one file crows_pairs_anonymized.csv")
    (path,) = files
    rows, left_out = read_csv(path, columns=COLUMNS)
    design: list[dict[str, object]] = []
    words: list[dict[str, object]] = []
    seen: set[str] = set()
    for line, row in rows:
        id_ = f"crows-{row['']}"
        cut = _cut(row["sent_more"], row["sent_less"])
        if not regex.fullmatch(r"\d+", row[""]) or id_ in seen:
            left_out.append(LeftOut(path.name, line, f'has the row number "{row[""]}", which is none or stands twice'))
        elif row["bias_type"].strip() == "":
            left_out.append(LeftOut(path.name, line, "has no bias_type"))
        elif isinstance(cut, str):
            left_out.append(LeftOut(path.name, line, cut))
        else:
            base, counterpart, shared = cut
            source = f"CrowS-Pairs (Nangia et al. 2020), row {row['']}, {row['stereo_antistereo']}"
            topic = row["bias_type"].strip()
            design.append({"id": id_, "template": id_, "topic": topic, "regions": ["United States"], "source": source})
            words.append({"id": id_, "base": base, "counterpart": counterpart, "shared": [shared]})
        seen.add(id_)
    labels = {str(item["topic"]): str(item["topic"]).replace("-", " ") for item in design}
    n_rows = len(rows) + sum(row.reason.endswith("columns") for row in left_out)
    left = f" {len(left_out)} of {n_rows} rows were left out on import (left-out.tsv)."
    return Imported(
        declaration={
            **_DECLARATION,
            "not_shown": _DECLARATION["not_shown"] + left,  # type: ignore[operator]  # a string, as above
            "licence": licence or "CC BY-SA 4.0",
            "labels": dict(sorted(labels.items())),
        },
        design=design,
        words={"en": words},
        provenance={"en": _PROVENANCE},
        left_out=tuple(sorted(left_out, key=lambda row: row.line)),
    )


def _cut(more: str, less: str) -> tuple[str, str, str] | str:
    """(base, counterpart, shared ending), or why the pair cannot be cut. White space becomes single spaces."""
    first, second = more.split(), less.split()
    if not first or not second:
        return "has an empty sentence"
    if _letters(more) == _letters(less):
        return "has two sentences that differ in nothing but case or punctuation"
    places = differences(more, less)
    if len(places) > 1:
        return f"differs in {len(places)} places, so more than the group changes"
    ((_, end, _, other_end),) = places
    shared = " ".join(first[end:])
    if not shared:
        return "differs at the end, so no shared words follow to be scored"
    if not regex.search(r"[\p{L}\p{N}]", shared):
        return f'has only "{shared}" after the difference'
    if end == 0 or other_end == 0:
        return "has a sentence with nothing before the shared ending"
    return " ".join(first[:end]), " ".join(second[:other_end]), shared


def _letters(text: str) -> str:
    return "".join(regex.findall(r"[\p{L}\p{N}]+", text.casefold()))
