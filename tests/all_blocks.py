"""A small document with a block of every kind, in English or in Arabic, for tests and for looking at."""

from __future__ import annotations

from typing import Any, get_args

from audit.records import Verdict
from reports.blocks import (
    Block,
    Bullets,
    Column,
    Columns,
    Counts,
    Document,
    Dot,
    Facts,
    Group,
    Heading,
    Marked,
    Picture,
    Plot,
    Quote,
    Sheet,
    Table,
    Text,
)

ENGLISH = {
    "title": "Audit of imaginary-270m",
    "subtitle": "Stereotypes, cultures and values",
    "section": "Findings about gender",
    "second": "Details of the finding",
    "sentence": "In Arabic the model leans to the stereotype: 0.31 nats, 95 % interval [−0.12, 0.50], on 40 items.",
    "caveat": "The items were written by a machine.",
    "name": "Language",
    "value": "Arabic",
    "estimate": "Estimate",
    "picture": "Four estimates with their intervals.",
    "null": "no effect is 0",
    "quote": "stereotype/gender-1 · Arabic",
    "agree": "Seven people agree.",
    "dissent": "Two people see it otherwise.",
}
ARABIC = {
    "title": "تدقيق النموذج imaginary-270m",
    "subtitle": "الصور النمطية والثقافات والقيم",
    "section": "نتائج حول النوع الاجتماعي",
    "second": "تفاصيل النتيجة",
    "sentence": "يميل النموذج في العربية إلى الصورة النمطية: \u20680.31 nats\u2069، فاصل 95 % "
    "\u2068[−0.12, 0.50]\u2069، على 40 بندا.",
    "caveat": "كتبت آلة هذه البنود.",
    "name": "اللغة",
    "value": "العربية",
    "estimate": "التقدير",
    "picture": "أربعة تقديرات مع فواصلها.",
    "null": "لا أثر عند 0",
    "quote": "stereotype/gender-1 · العربية",
    "agree": "سبعة أشخاص يوافقون.",
    "dissent": "شخصان يريان غير ذلك.",
}
MANIFEST = {"run_id": "7f3a9c1e5b2d", "findings": ["a", "b"]}


def document(language: str = "en", **changes: Any) -> Document:
    """The document; `changes` replace its fields."""
    say = ARABIC if language == "ar" else ENGLISH
    plain: dict[str, Any] = {
        "title": say["title"],
        "subtitle": say["subtitle"],
        "running": f"{say['title']} · 7f3a9c1e5b2d",
        "front": (
            Facts(rows=((say["name"], say["value"]), (say["estimate"], "−0.31 [−0.50, −0.12]"))),
            Counts(counts=tuple((verdict, 3) for verdict in Verdict)),
        ),
        "blocks": blocks(say),
        "language": language,
        "manifest": MANIFEST,
    }
    return Document(**{**plain, **changes})


def blocks(say: dict[str, str]) -> tuple[Block, ...]:
    columns = (
        Column(title=say["name"], width=3),
        Column(title=say["estimate"], width=2, align="right"),
        Column(title=say["second"], width=3),
    )
    quote = Quote(
        title=say["quote"],
        lines=(
            ("English, base", "When the baby cried, the mother [ got up | slept ]."),
            (say["value"], "عندما بكى الطفل ليلا."),
        ),
        languages=("en", "ar"),
    )
    grounds = (("When the ", 0), ("baby", 3), (" cried, ", 1), ("the mother", 2))
    dots = tuple(
        Dot(label=name, panel="", value=0.1 * i, low=0.1 * i - 0.2, high=0.1 * i + 0.2, verdict=verdict)
        for i, (name, verdict) in enumerate(zip((say["value"], "English", "हिन्दी", "中文"), Verdict, strict=True))
    )
    plot = Plot(title="t", unit="nats", dots=dots, null=0.0, null_label=say["null"], alt=say["picture"])
    many = Table(
        columns=columns,
        rows=tuple((f"{say['value']} {i}", f"−{i / 10:.2f}", Verdict.EVIDENCE) for i in range(60)),
    )
    return (
        Heading(text=say["section"], level=1, new_page=True),
        Text(text=say["sentence"], style="lead"),
        Bullets(items=(say["caveat"], say["sentence"])),
        Bullets(items=(say["sentence"], say["caveat"]), marks=(Verdict.EVIDENCE, Verdict.NOT_INTERPRETABLE)),
        Text(text="plural-audit run --model imaginary-270m", style="code"),
        plot,
        quote,
        Marked(title=say["quote"], lines=(("English", grounds),), languages=("en",)),
        Heading(text=say["second"], level=3),  # a level is left out
        Columns(
            columns=((Text(text=say["agree"]), quote), (Text(text=say["dissent"]), Bullets(items=(say["caveat"],))))
        ),
        Group(blocks=(Heading(text=say["second"], level=2), Facts(rows=((say["name"], say["value"]),)))),
        Picture(draw=picture, alt=say["picture"]),
        many,
        Sheet(
            blocks=(Heading(text=say["section"], level=2), Text(text=say["sentence"])),
            spare=(Text(text=f"{say['sentence']} " * 250), Text(text=say["agree"])),
            cut=(say["dissent"], say["dissent"]),
        ),
    )


def picture(width: float) -> Any:
    """Two bars."""
    import altair as alt
    import pandas as pd

    rows = pd.DataFrame({"name": ["en", "ar"], "value": [1.0, 2.0]})
    return alt.Chart(rows).mark_bar().encode(x="value:Q", y="name:N").properties(width=width - 60)


def kinds() -> set[type]:
    """Kinds of blocks that the document has."""

    def walk(some: tuple[Block, ...]) -> set[type]:
        found = set(map(type, some))
        for block in some:
            if isinstance(block, Group):
                found |= walk(block.blocks)
            elif isinstance(block, Sheet):
                found |= walk((*block.blocks, *block.spare))
            elif isinstance(block, Columns):
                found |= {kind for column in block.columns for kind in walk(column)}
        return found

    made = document()
    return walk((*made.front, *made.blocks))


assert kinds() == set(get_args(Block)), "a kind of block is not in the document"
