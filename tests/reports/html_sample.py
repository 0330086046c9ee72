"""A small document with every kind of block, in English and in Arabic, and words that try to be more than words."""

from __future__ import annotations

import functools

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
from reports.chart_tables import bar_counts
from reports.judgement_charts import Bars, distributions

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><b>bold</b>",
    "a & b &lt; c &amp; d ]]> <!-- x -->",
    "{0} {name} %s",
    "\u202eturned around \u2066and never closed",
    "closes what it did not open \u2069\u202c end",
    "javascript:alert(1) https://example.org/x?a=1&b=2",
)
WORDS = {
    "en": {
        "title": "Audit of a model",
        "section": "Summary",
        "within": "What stands out",
        "deep": "A finding",
        "sentence": "In Spanish, answers lean to the group: 0.79 nats (95 % interval 0.47 to 1.34).",
        "row": "Gender",
        "model": "Model",
        "unit": "nats",
        "null": "the value without any effect (0)",
        "item": "Item 12",
        "said": "Readers: partly",
        "many": "A sentence that is long enough to need more than one line on a small screen, and says nothing else.",
    },
    "ar": {
        "title": "تدقيق نموذج",
        "section": "ملخص",
        "within": "ما يلفت النظر",
        "deep": "نتيجة",
        "sentence": "بالإسبانية تميل الإجابات إلى المجموعة: 0.79 نات (مجال 95 % من 0.47 إلى 1.34).",
        "row": "الجنس",
        "model": "النموذج",
        "unit": "نات",
        "null": "القيمة من دون أي أثر (0)",
        "item": "البند 12",
        "said": "القراء: جزئيا",
        "many": "جملة طويلة بما يكفي لتحتاج إلى أكثر من سطر على شاشة صغيرة، ولا تقول شيئا آخر.",
    },
}
JUDGED = {"agree": 3, "partly": 1, "disagree": 2, "cannot say": 0}
SEVERE = {"0": 1, "1": 2, "2": 1, "3": 1, "4": 1, "not said": 0}


def document(language: str = "en", *, hostile: tuple[str, ...] = HOSTILE) -> Document:
    """Every kind of block at least once; each hostile text in each place that takes words."""
    words = WORDS[language]
    return Document(
        title=words["title"],
        subtitle=words["many"],
        running="imaginary-270m · run 7f3a9c1e5b2d",
        language=language,
        front=(
            Facts(rows=((words["model"], "imaginary-270m"),)),
            Counts(counts=tuple((verdict, n) for n, verdict in enumerate(Verdict, start=2))),
        ),
        blocks=(*plain(words), *(block for text in hostile for block in with_words(text))),
    )


def plain(words: dict[str, str]) -> tuple[Block, ...]:
    columns = (
        Column(title=words["row"], width=2),
        *(Column(title=f"{words['unit']} {n}", width=1, align="right") for n in range(5)),
        Column(title=words["deep"], width=3),
    )
    row = (words["row"], "−0.12", "0.31", "12 %", "+3 %", "–", Verdict.NO_EVIDENCE)
    small = Table(columns=(Column(title=words["row"], width=1), Column(title=words["deep"], width=3)), rows=(row[:2],))
    bars = (Bars(label=words["said"], people=6, judged=JUDGED, severe=SEVERE),)
    return (
        Heading(text=words["section"], level=1),
        Text(text=words["many"], style="lead"),
        Heading(text=words["deep"], level=3),  # a step is missing here
        Text(text=words["sentence"]),
        Bullets(items=(words["sentence"], words["many"])),
        Heading(text=words["within"], level=2),
        Bullets(items=(words["sentence"],) * len(Verdict), marks=tuple(Verdict)),
        Text(text=words["many"], style="small"),
        Text(text="plural-audit run --model imaginary-270m --languages en,ar", style="code"),
        Table(columns=columns, rows=(row, row)),
        plot(words),
        Picture(draw=functools.partial(distributions, bars), alt=words["many"], data=bar_counts(bars)),
        Heading(text=words["item"], level=1),
        Sheet(
            blocks=(Heading(text=words["deep"], level=2), Text(text=words["sentence"])),
            spare=(
                Columns(
                    columns=((Heading(text=words["said"], level=3), small), (Text(text=words["many"]),)), shares=(2, 1)
                ),
            ),
        ),
        Group(blocks=(quote(words), marked(words))),
    )


def plot(words: dict[str, str]) -> Plot:
    dots = tuple(
        Dot(
            label=f"{words['row']} {n}", panel="", value=0.1 * n, low=0.1 * n - 0.2, high=0.1 * n + 0.2, verdict=verdict
        )
        for n, verdict in enumerate(Verdict)
    )
    return Plot(
        title=words["row"], unit=words["unit"], dots=dots, null=0.0, null_label=words["null"], alt=words["sentence"]
    )


def quote(words: dict[str, str]) -> Quote:
    lines = (
        (words["said"], "The nurse said: 12 − 3 = 9."),
        (words["said"], "قالت الممرضة: ٣ + ٤."),
        (words["said"], "نرس نے کہا"),
        (words["said"], "नर्स ने कहा"),
        (words["said"], "语言不明"),
    )
    return Quote(title=words["item"], lines=lines, languages=("en", "ar", "ur", "hi", "no such code"))


def marked(words: dict[str, str]) -> Marked:
    runs = (("When the ", 0), (" baby", 1), (" cried", 2), (" at night", 3))
    return Marked(title=words["item"], lines=((words["said"], runs),), languages=("en",))


def with_words(text: str) -> tuple[Block, ...]:
    """`text` wherever a block takes words."""
    column = Column(title=text, width=1)
    dot = Dot(label=text[:12], panel="", value=0.1, low=0.0, high=0.2, verdict=Verdict.EVIDENCE)
    return (
        Heading(text=text, level=1),
        Text(text=text),
        Text(text=text, style="code"),
        Bullets(items=(text,)),
        Bullets(items=(text,), marks=(Verdict.EVIDENCE,)),
        Facts(rows=((text, text),)),
        Table(columns=(column, column), rows=((text, text),)),
        Quote(title=text, lines=((text, text),), languages=(text,)),
        Marked(title=text, lines=((text, ((text, 2),)),)),
        Plot(title=text, unit=text, dots=(dot,), null=None, null_label=text, alt=text),
    )
