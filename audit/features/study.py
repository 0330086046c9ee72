"""Features of the culture, values and dilemma suites: what probes, latents and steering say at one layer of a model.

    read      the residual stream at the last token of every text; for dilemmas also how the answer's margin moves
    probe     how many bits a linear probe gets out of it about culture or framework, where templates had no say
    latents   the same from an SAE's activations, and from those of a model and SAE that have learned nothing;
              which latents go with language, content, both; which belong to a target, and how active they are
    act       what happens to answers when a target's latents are set, or a framework's direction is added
    show      the texts that activate a chosen latent most

Texts. Culture: the neutral prompt with the right answer, each wording ("practice"; states are the mean over wordings).
Values: statements in the suite's first frame. Dilemmas: the first wording, in both orders. Folds, permutations and
samples follow from the content of the suite alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from audit.errors import UnsupportedModelError
from audit.features import latents as latents_of
from audit.features.probing import Bits, Design, centred, held_out_bits, permuted_within, swapped_within
from audit.features.reading import Edit, Reader, random_latents
from audit.features.steering import N_RANDOM, UNIT, Setting, random_directions, unit_direction
from audit.progress import Reporter
from audit.records import (
    CAPACITY_COLUMNS,
    CAUSAL_COLUMNS,
    CONTEXT_COLUMNS,
    EXCLUSION_COLUMNS,
    LATENT_COLUMNS,
    SAE_COLUMNS,
    SCORE_COLUMNS,
    SIMILARITY_COLUMNS,
    STEERING_COLUMNS,
    Item,
    Kind,
    Suite,
)

if TYPE_CHECKING:
    from audit.features.saes import Dictionary

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

TABLES: Mapping[str, Mapping[str, str]] = {
    "saes": SAE_COLUMNS,
    "capacities": CAPACITY_COLUMNS,
    "latents": LATENT_COLUMNS,
    "scores": SCORE_COLUMNS,
    "steering": STEERING_COLUMNS,
    "causal": CAUSAL_COLUMNS,
    "contexts": CONTEXT_COLUMNS,
    "similarities": SIMILARITY_COLUMNS,
    "exclusions": EXCLUSION_COLUMNS,
}
PROBE, LATENTS, RANDOM = "probe", "latents", "latents of a random model"
PRACTICE = "practice"

TEXTS_PER_PORTION = 48
PROMPTS_PER_PORTION = 16
ACTS_PER_PORTION = 14  # together: the vocabulary is read once for all of them
VALUE_FOLDS = 3
MOST_CONTEXT_LATENTS = 4  # of a target, whose contexts are shown
N_CONTEXTS = 5
N_SIMILAR = 10  # permutations of labels for overlaps
CAUSAL_EVERY = 2  # templates, in turn; each in one of its languages, which go round too
N_FOILS = 3
JUDGED_TEXTS, JUDGED_TOKENS = 24, 200  # of each language, on which the SAE is judged


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """Texts of a suite as read, one row each; all arrays have one entry per row."""

    suite: Suite
    items: tuple[Item, ...]
    contexts: tuple[str, ...]
    texts: tuple[str, ...]  # the first of those that a row stands for
    language: Codes  # of the suite's languages
    label: Codes  # culture or framework; -1 where the text has none
    fold: Codes
    states: Floats  # (n, d)
    labels: tuple[str, ...]

    @property
    def unit(self) -> list[str]:
        """The template of each row."""
        return [item.template for item in self.items]

    @property
    def units(self) -> Codes:
        """The template of each row, as a number."""
        return np.unique(np.array(self.unit, dtype=str), return_inverse=True)[1].astype(np.int64)

    def rows(self, keep: Mask) -> Texts:
        """Some of the rows."""
        where = np.flatnonzero(keep)
        return Texts(
            suite=self.suite,
            items=tuple(self.items[row] for row in where),
            contexts=tuple(self.contexts[row] for row in where),
            texts=tuple(self.texts[row] for row in where),
            language=self.language[where],
            label=self.label[where],
            fold=self.fold[where],
            states=self.states[where],
            labels=self.labels,
        )

    def begins(self, *beginnings: str) -> Mask:
        """Rows whose context begins with one of the words."""
        return np.array([context.startswith(beginnings) for context in self.contexts], dtype=bool)


@dataclass(kw_only=True, eq=False)
class _Rows:
    """Rows of the tables as they come."""

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {name: [] for name in TABLES})

    def add(self, table: str, *row: Any) -> None:
        self.rows[table].append(row)

    def tables(self) -> dict[str, pd.DataFrame]:
        return {
            name: pd.DataFrame(self.rows[name], columns=list(columns)).astype(dict(columns))
            for name, columns in TABLES.items()
        }


def study(
    suites: Sequence[Suite], *, reader: Reader, dictionary: Dictionary | None, reporter: Reporter
) -> dict[str, pd.DataFrame]:
    """Everything about features that the suites of a run give.

    Args:
        suites: those of other kinds than culture, values and dilemma are passed over.
        reader: asks the model, at the SAE's layer where there is one.
        dictionary: the SAE; without one only probes and steering are done.
        reporter: told what is done.

    Returns:
        Tables by name, those of TABLES. Texts that could not be read are among the exclusions, stage "features".
    """
    wanted = [suite for suite in suites if suite.record.kind in (Kind.CULTURE, Kind.VALUES, Kind.DILEMMA)]
    if not wanted:
        return _Rows().tables()
    return _Study(wanted, reader, dictionary, reporter).run()


class _Study:
    def __init__(
        self,
        suites: Sequence[Suite],
        reader: Reader,
        dictionary: Dictionary | None,
        reporter: Reporter,
    ) -> None:
        self.suites, self.reader, self.dictionary = suites, reader, dictionary
        self.reporter, self.out = reporter, _Rows()
        self.refused: set[tuple[str, str, str, str]] = set()

    def run(self) -> dict[str, pd.DataFrame]:
        cultures = [self._culture(suite) for suite in self._of(Kind.CULTURE)]
        values = [self._values(suite) for suite in self._of(Kind.VALUES)]
        if self.dictionary is not None:
            self._judge(self.dictionary)
        for texts in cultures:
            self._culture_capacities(texts)
        for texts in values:
            self._values_capacities(texts)
        spaces = {}
        if self.dictionary is not None:
            for texts, blocks in [*((one, True) for one in cultures), *((one, False) for one in values)]:
                if texts.texts:
                    spaces[texts.suite.record.name] = self._latents(self.dictionary, texts, blocks=blocks)
        for suite in self._of(Kind.DILEMMA):
            self._dilemma(suite, values[0] if values and values[0].texts else None, spaces)
        for name, reason_of in sorted({(one[0], one[1:]) for one in self.refused}):
            language, item, reason = reason_of
            self.out.add("exclusions", name, language, item, "features", reason)
        return self.out.tables()

    def _of(self, kind: Kind) -> list[Suite]:
        return [suite for suite in self.suites if suite.record.kind is kind]

    def _refuse(self, suite: Suite, item: Item, reason: str) -> None:
        self.refused.add((suite.record.name, item.language, item.id, reason))

    # --- reading ------------------------------------------------------------------------------

    def _read(self, texts: Sequence[str], *, random: bool = False) -> tuple[Floats, dict[str, str]]:
        """States of each text (rows of texts that cannot be read are NaN), and why some cannot."""
        unique = sorted(set(texts))
        values: dict[str, Floats] = {}
        refused: dict[str, str] = {}
        for begin in range(0, len(unique), TEXTS_PER_PORTION):
            some = unique[begin : begin + TEXTS_PER_PORTION]
            read = self.reader.states(some, random=random)
            values |= dict(zip(some, read.values.astype(float), strict=True))
            refused |= {some[row]: reason for row, reason in read.refused.items()}
            self.reporter.advance(len(some))
        return np.stack([values[text] for text in texts]) if texts else np.empty((0, 0)), refused

    def _culture(self, suite: Suite) -> Texts:
        """Practice texts, and each neutral prompt once per language and facet (under the facet's first item)."""
        cultures = tuple(sorted({item.culture for item in _usable(suite) if item.culture}))
        facets = sorted({item.topic for item in _usable(suite)})
        entries: list[tuple[Item, str, tuple[str, ...], int]] = []
        for item in _usable(suite):
            many = practice_texts(item)
            if item.culture and many:
                entries.append((item, PRACTICE, many, cultures.index(item.culture)))
        by_facet = sorted(_usable(suite), key=lambda item: (item.language, item.topic, item.id))
        for _, group in groupby(by_facet, key=lambda item: (item.language, item.topic)):
            first = next(group)
            entries += [
                (first, ask.context, (ask.prompt,), -1) for ask in first.asks if ask.context.startswith("neutral/")
            ]
        return self._gathered(suite, entries, labels=cultures, fold=lambda item: facets.index(item.topic))

    def _values(self, suite: Suite) -> Texts:
        """Statements in the first frame."""
        usable = [item for item in _usable(suite) if item.frameworks]
        frameworks = tuple(sorted({item.frameworks[0] for item in usable}))
        place: dict[str, int] = {}
        for framework in frameworks:
            templates = sorted({item.template for item in usable if item.frameworks[0] == framework})
            place |= {template: number for number, template in enumerate(templates)}
        frames = sorted({ask.context.partition("/")[2] for item in usable for ask in item.asks})
        entries = [
            (item, ask.context, (ask.prompt,), -1 if ask.context.startswith("neutral") else which)
            for item in usable
            for which in (frameworks.index(item.frameworks[0]),)
            for ask in item.asks
            if ask.context.partition("/")[2] == frames[0]
        ]
        return self._gathered(suite, entries, labels=frameworks, fold=lambda item: place[item.template] % VALUE_FOLDS)

    def _gathered(
        self,
        suite: Suite,
        entries: Sequence[tuple[Item, str, tuple[str, ...], int]],
        *,
        labels: tuple[str, ...],
        fold: Callable[[Item], int],
    ) -> Texts:
        flat = [text for _, _, many, _ in entries for text in many]
        self.reporter.stage(f"features: reading {suite.record.name}", total=len(set(flat)), unit="texts")
        states, refused = self._read(flat)
        means, kept, begin = [], [], 0
        for number, (item, _, many, _) in enumerate(entries):
            mine = states[begin : begin + len(many)]
            begin += len(many)
            bad = [refused[text] for text in many if text in refused]
            if bad:
                self._refuse(suite, item, bad[0])
            else:
                means.append(mine.mean(axis=0))
                kept.append(number)
        some = [entries[number] for number in kept]
        return Texts(
            suite=suite,
            items=tuple(item for item, *_ in some),
            contexts=tuple(context for _, context, _, _ in some),
            texts=tuple(many[0] for _, _, many, _ in some),
            language=np.array([suite.languages.index(item.language) for item, *_ in some], dtype=np.int64),
            label=np.array([label for *_, label in some], dtype=np.int64),
            fold=np.array([fold(item) for item, *_ in some], dtype=np.int64),
            states=np.stack(means) if means else np.empty((0, 0)),
            labels=labels,
        )

    # --- lenses -------------------------------------------------------------------------------

    def _judge(self, dictionary: Dictionary) -> None:
        by_language: dict[str, list[str]] = {}
        for suite in self.suites:
            for item in _usable(suite):
                for text in (practice_texts(item) or tuple(ask.prompt for ask in item.asks))[:1]:
                    by_language.setdefault(item.language, []).append(text)
        chosen = {
            language: sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())[:JUDGED_TEXTS]
            for language, texts in sorted(by_language.items())
        }
        self.reporter.stage("features: judging the SAE", total=1, unit="SAEs")
        kept = self.reader.kept(
            {"reading": "judged", "dictionary": dictionary.digest, "texts": chosen},
            lambda: {"rows": [_plain(row) for row in self._judged(dictionary, chosen)]},
        )
        for row in kept["rows"]:
            self.out.add("saes", *(_number(row[column]) for column in SAE_COLUMNS))
        self.reporter.advance(1)

    def _judged(self, dictionary: Dictionary, texts: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        from audit.features.cards import judge

        table = judge(dictionary, self.reader.audited, texts, n_tokens=JUDGED_TOKENS)
        return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]

    def _lenses(self, texts: Texts, groups: Sequence[Codes]) -> Iterator[tuple[str, Floats]]:
        """Each lens and the texts' values in it, centred by group and scaled."""
        yield PROBE, centred(texts.states, *groups)
        if self.dictionary is None:
            return
        real = self._encoded(self.dictionary, texts.states)
        yield LATENTS, centred(_alive(real), *groups)
        many = [
            practice_texts(item) if context == PRACTICE else (text,)
            for item, context, text in zip(texts.items, texts.contexts, texts.texts, strict=True)
        ]
        flat = [text for one in many for text in one]
        self.reporter.stage(
            f"features: a random model reads {texts.suite.record.name}", total=len(set(flat)), unit="texts"
        )
        try:
            states, _ = self._read(flat, random=True)
        except UnsupportedModelError as cannot:
            self.reporter.say(str(cannot))
            return
        active = round(float((real > 0).sum(axis=1).mean()))
        values = random_latents(
            states.astype(np.float32), n_latents=self.dictionary.n_latents, active=active, seed=0
        ).astype(float)
        ends = np.cumsum([len(one) for one in many])
        means = np.stack([part.mean(axis=0) for part in np.split(values, ends[:-1])])
        yield RANDOM, centred(_alive(means), *groups)

    def _encoded(self, dictionary: Dictionary, states: Floats) -> Floats:
        """Activations of all latents, (n, latents)."""
        with torch.inference_mode():
            given = torch.from_numpy(states.astype(np.float32)).to(dictionary.directions.device)
            return dictionary.encode(given).float().cpu().numpy().astype(float)

    def _culture_capacities(self, texts: Texts) -> None:
        some = texts.rows(texts.begins(PRACTICE))
        if not self._can_be_judged(some, "cultures", "facets"):
            return
        seed = [_seed(texts.suite.record.name), 1]
        permuted = permuted_within(some.label, unit=some.unit, block=some.fold, seed=seed)
        for lens, values in self._lenses(some, (some.language, some.fold)):
            design = Design(
                values=values,
                label=some.label,
                n_labels=len(some.labels),
                unit=some.units,
                fold=some.fold,
                language=some.language,
                across_languages=False,
            )
            self._capacity_rows(some, lens, held_out_bits(design, permuted))

    def _values_capacities(self, texts: Texts) -> None:
        some = texts.rows(texts.begins("endorse", "reject"))
        if not self._can_be_judged(some, "frameworks", "parts of the templates", fewest_labels=1):
            return
        if len(np.unique(some.language)) < 2:
            for item in some.items:
                self._refuse(some.suite, item, "a framework's probe is fitted on other languages, and there are none")
            return
        stance = some.begins("endorse").astype(np.int64)
        for lens, values in self._lenses(some, (some.language,)):
            for number, framework in enumerate(some.labels):
                mine = some.label == number
                rows = some.rows(mine)
                seed = [_seed(f"{texts.suite.record.name} {framework}"), 2]
                design = Design(
                    values=values[mine],
                    label=stance[mine],
                    n_labels=2,
                    unit=rows.units,
                    fold=rows.fold,
                    language=rows.language,
                    across_languages=True,
                )
                permuted = swapped_within(design.label, unit=rows.unit, seed=seed)
                self._capacity_rows(rows, lens, held_out_bits(design, permuted))

    def _can_be_judged(self, texts: Texts, what: str, parts: str, *, fewest_labels: int = 2) -> bool:
        if len(np.unique(texts.fold)) >= 2 and len(texts.labels) >= fewest_labels:
            return True
        for item in texts.items:
            self._refuse(texts.suite, item, f"probes need {fewest_labels} {what} and two {parts}")
        return False

    def _capacity_rows(self, texts: Texts, lens: str, found: Bits) -> None:
        for row, item in enumerate(texts.items):
            if not np.isfinite(found.bits[row]):
                self._refuse(texts.suite, item, "no probe: too few other templates hold every label")
                continue
            self.out.add(
                "capacities",
                texts.suite.record.name,
                item.language,
                item.id,
                texts.contexts[row],
                lens,
                self.reader.layer,
                texts.labels[texts.label[row]],
                float(found.bits[row]),
                float(found.control[row]),
                int(found.n_train[row]),
            )

    # --- latents ------------------------------------------------------------------------------

    def _latents(self, dictionary: Dictionary, texts: Texts, *, blocks: bool) -> _Space:
        """The tables of latents of one suite; what the dilemmas need of it is returned."""
        own = texts.begins(PRACTICE, "endorse")
        whole = self._encoded(dictionary, texts.states)
        active = (whole[texts.label >= 0] > 0).mean(axis=0) if (texts.label >= 0).any() else np.zeros(whole.shape[1])
        alive = np.flatnonzero(active >= latents_of.FEWEST_ACTIVE)
        values = whole[:, alive]
        label = np.where(own, texts.label, -1)
        space = _Space(texts=texts, values=values, alive=alive, label=label, blocks=blocks)
        self.reporter.stage(f"features: latents of {texts.suite.record.name}", total=3, unit="steps")
        chosen = space.choose(None)
        self._latent_rows(dictionary, space, chosen)
        self.reporter.advance(1)
        by_fold = {int(fold): space.choose(int(fold)) for fold in np.unique(texts.fold)}
        for fold, held_out in by_fold.items():
            self._score_rows(texts.rows(texts.fold == fold), values[texts.fold == fold], space, held_out)
        self._similarity_rows(space, chosen)
        self.reporter.advance(1)
        self._context_rows(dictionary, space, chosen)
        self.reporter.advance(1)
        self._causal_rows(dictionary, space, by_fold)
        return space

    def _latent_rows(self, dictionary: Dictionary, space: _Space, chosen: latents_of.Chosen) -> None:
        texts, name = space.texts, space.texts.suite.record.name
        some = texts.label >= 0
        languages, by_language = texts.suite.languages, []
        for number in range(len(languages)):
            mine = some & (texts.language == number)
            shape = space.values.shape[1]
            by_language.append((space.values[mine] > 0).mean(axis=0) if mine.any() else np.zeros(shape))
        active = (space.values[some] > 0).mean(axis=0)
        split, permuted, p, kind = self._split(space)
        targets: list[list[str]] = [[] for _ in space.alive]
        for target, places in chosen.latents.items():
            for place in places.tolist():
                targets[place].append(texts.labels[target])
        for place, latent in enumerate(space.alive.tolist()):
            spoken = [
                code for code, share in zip(languages, by_language, strict=True) if share[place] >= latents_of.SPOKEN
            ]
            self.out.add(
                "latents",
                name,
                dictionary.name,
                dictionary.layer,
                latent,
                *(float(part[place]) for part in (split.language, split.content, split.interaction, split.rest)),
                kind[place],
                float(active[place]),
                ",".join(spoken),
                float(permuted[place]),
                float(p[place]),
                ",".join(sorted(targets[place])),
            )

    def _split(self, space: _Space) -> tuple[latents_of.Split, Floats, Floats, list[str]]:
        cells = space.cells()
        if cells is None:
            none = np.full(len(space.alive), np.nan)
            split = latents_of.Split(language=none, content=none, interaction=none, rest=none)
            return split, none, none, [""] * len(space.alive)
        split = latents_of.variance_split(cells)
        seed = [_seed(space.texts.suite.record.name), 3]
        permuted, p = latents_of.permuted_content(cells, blocks=space.blocks, seed=seed)
        return split, permuted, p, latents_of.kinds(split, permuted, p)

    def _score_rows(self, texts: Texts, values: Floats, space: _Space, chosen: latents_of.Chosen) -> None:
        for target, name in enumerate(space.texts.labels):
            score = latents_of.strength(values, chosen.latents[target], chosen.scale)
            permuted = latents_of.strength(values, chosen.permuted[target], chosen.scale)
            for row, item in enumerate(texts.items):
                self.out.add(
                    "scores",
                    texts.suite.record.name,
                    item.language,
                    item.id,
                    texts.contexts[row],
                    name,
                    float(score[row]),
                    float(permuted[row]),
                    len(chosen.latents[target]),
                )

    def _similarity_rows(self, space: _Space, chosen: latents_of.Chosen) -> None:
        texts, labels = space.texts, space.texts.labels
        parts = [("", np.ones(len(texts.texts), dtype=bool))]
        parts += [(code, texts.language == number) for number, code in enumerate(texts.suite.languages)]
        permuted = [space.permuted(number) for number in range(N_SIMILAR)]
        free = [space.chosen_under(label, label, label >= 0) for label in permuted]
        for language, rows in parts:

            def overlap(label: Codes, of: latents_of.Chosen, rows: Mask = rows) -> Floats:
                union = np.unique(np.concatenate([*of.latents.values(), np.empty(0, dtype=np.int64)]))
                return latents_of.overlaps(space.values[rows], label[rows], union, of.scale, n_labels=len(labels))

            found = overlap(space.label, chosen)
            null = _mean_of([overlap(label, of) for label, of in zip(permuted, free, strict=True)])
            for one, name in enumerate(labels):
                for other, other_name in enumerate(labels):
                    if one != other:
                        pair = (float(found[one, other]), float(null[one, other]))
                        self.out.add("similarities", texts.suite.record.name, name, other_name, language, *pair)

    def _context_rows(self, dictionary: Dictionary, space: _Space, chosen: latents_of.Chosen) -> None:
        texts = space.texts
        places = sorted({int(place) for many in chosen.latents.values() for place in many[:MOST_CONTEXT_LATENTS]})
        shown: list[tuple[int, int, int]] = []  # place, rank, row
        for place in places:
            order = np.lexsort((np.arange(len(texts.texts)), -space.values[:, place]))
            active = [int(row) for row in order if space.values[row, place] > 0]
            shown += [(place, rank, row) for rank, row in enumerate(active[:N_CONTEXTS], start=1)]
        marked: list[list[tuple[str, float | None]]] = [[] for _ in shown]
        if texts.suite.record.redistributable and shown:
            asked = [(texts.texts[row], int(space.alive[place])) for place, _, row in shown]
            marked = self.reader.marked(asked, dictionary)
        for (place, rank, row), pieces in zip(shown, marked, strict=True):
            item = texts.items[row]
            self.out.add(
                "contexts",
                texts.suite.record.name,
                dictionary.name,
                dictionary.layer,
                int(space.alive[place]),
                rank,
                item.language,
                item.id,
                texts.contexts[row],
                float(space.values[row, place]),
                json.dumps(pieces, ensure_ascii=False) if pieces else "",
            )

    def _causal_rows(self, dictionary: Dictionary, space: _Space, by_fold: Mapping[int, latents_of.Chosen]) -> None:
        acts = list(causal_acts(space, by_fold))
        name = space.texts.suite.record.name
        self.reporter.stage(f"features: setting latents on {name}", total=len(acts), unit="items")
        for begin in range(0, len(acts), ACTS_PER_PORTION):
            some = acts[begin : begin + ACTS_PER_PORTION]
            logps = iter(self.reader.edited([edit for act in some for edit in act.edits], dictionary))
            for act in some:
                for kind, effect in act.effects([next(logps) for _ in act.edits]).items():
                    item = act.item
                    self.out.add("causal", name, item.language, item.id, act.target, kind, effect, act.n_latents)
            self.reporter.advance(len(some))

    # --- dilemmas -----------------------------------------------------------------------------

    def _dilemma(self, suite: Suite, values: Texts | None, spaces: Mapping[str, _Space]) -> None:
        """Slopes along the frameworks' directions, and scores of the frameworks' latents."""
        usable = [item for item in _usable(suite) if len(item.frameworks) == 2]
        asks = [(item, ask) for item in usable for ask in item.asks if ask.context in ("1/ab", "1/ba")]
        self.reporter.stage(f"features: steering {suite.record.name}", total=len(asks), unit="prompts")
        margins: dict[tuple[str, str], list[Floats]] = {}
        states, kept = [], []
        for _, group in groupby(asks, key=lambda one: one[0].language):
            many = list(group)
            for begin in range(0, len(many), PROMPTS_PER_PORTION):
                some = many[begin : begin + PROMPTS_PER_PORTION]
                read = self.reader.pushed([ask for _, ask in some])
                for row, (item, ask) in enumerate(some):
                    if row in read.refused:
                        self._refuse(suite, item, read.refused[row])
                    else:
                        margins.setdefault((item.language, item.id), []).append(read.gradients[row].astype(float))
                        states.append(read.states[row].astype(float))
                        kept.append((item, ask))
                self.reporter.advance(len(some))
        if values is None:
            return
        self._steering_rows(suite, usable, margins, values)
        space = spaces.get(values.suite.record.name)
        if self.dictionary is None or space is None or not kept:
            return
        texts = Texts(
            suite=suite,
            items=tuple(item for item, _ in kept),
            contexts=tuple(ask.context for _, ask in kept),
            texts=tuple(ask.prompt for _, ask in kept),
            language=np.array([suite.languages.index(item.language) for item, _ in kept], dtype=np.int64),
            label=np.full(len(kept), -1, dtype=np.int64),
            fold=np.zeros(len(kept), dtype=np.int64),
            states=np.stack(states),
            labels=space.texts.labels,
        )
        encoded = self._encoded(self.dictionary, texts.states)[:, space.alive]
        self._score_rows(texts, encoded, space, space.choose(None))

    def _steering_rows(
        self,
        suite: Suite,
        items: Sequence[Item],
        gradients: Mapping[tuple[str, str], Sequence[Floats]],
        values: Texts,
    ) -> None:
        """The gradient of an item (mean over its two orders) times each direction; see `steering.pulls`."""
        norm = float(np.linalg.norm(values.states, axis=1).mean())
        directions = {}
        for language in suite.languages:
            directions[language] = self._directions(values, language)
        for item in items:
            both = gradients.get((item.language, item.id), ())
            if len(both) != 2:  # one order alone would hold the liking for a label
                continue
            gradient = np.mean(both, axis=0)
            for place, framework in enumerate(item.frameworks):
                towards = 1.0 if place == 0 else -1.0
                if framework not in directions[item.language]:
                    continue
                for number, direction in enumerate(directions[item.language][framework]):
                    slope = towards * UNIT * norm * float(gradient @ direction)
                    row = (suite.record.name, item.language, item.id, framework, number, slope, 1)
                    self.out.add("steering", *row)

    def _directions(self, values: Texts, language: str) -> dict[str, Floats]:
        """Per framework its direction, from the values suite in all other languages, then the random ones."""
        code = values.suite.languages.index(language) if language in values.suite.languages else -1
        stance = values.begins("endorse").astype(int) - values.begins("reject").astype(int)
        others = values.language != code
        if not (others & (stance != 0)).any():
            others = np.ones(len(stance), dtype=bool)  # one language alone: its statements are other texts than these
        # Languages lie far apart: without their means a random mixture would mostly say which language a text is in.
        statements = others & (stance != 0)
        drawn = values.states[statements].copy()
        for one in np.unique(values.language[statements]):
            mine = values.language[statements] == one
            drawn[mine] -= drawn[mine].mean(axis=0)
        seed = [_seed(values.suite.record.name), 4, _seed(language)]
        free = random_directions(drawn, n=N_RANDOM, seed=seed)
        out = {}
        for number, framework in enumerate(values.labels):
            mine = statements & (values.label == number)
            endorse, reject = values.states[mine & (stance > 0)], values.states[mine & (stance < 0)]
            if len(endorse) and len(reject):
                own = unit_direction(endorse.mean(axis=0) - reject.mean(axis=0))
                out[framework] = np.concatenate([own[None], free])
        return out


# --- one suite's latents ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Space:
    """The live latents of a suite's texts."""

    texts: Texts
    values: Floats  # (n, live latents)
    alive: Codes  # their numbers in the SAE
    label: Codes  # target of the texts that have a say in choosing, -1 for the others
    blocks: bool  # folds are blocks in which every target has a text

    def permuted(self, draw: int) -> Codes:
        """Labels exchanged between templates, alike in all languages."""
        some = self.label >= 0
        block = self.texts.fold if self.blocks else np.zeros(len(self.label), dtype=np.int64)
        units = [unit for unit, there in zip(self.texts.unit, some, strict=True) if there]
        seed = [_seed(self.texts.suite.record.name), 5, draw]
        (new,) = permuted_within(self.label[some], unit=units, block=block[some], n=1, seed=seed)
        out = self.label.copy()
        out[some] = new
        return out

    def choose(self, held_out: int | None) -> latents_of.Chosen:
        """Latents of every target from all folds but one (from all, if None)."""
        say = np.ones(len(self.label), dtype=bool) if held_out is None else self.texts.fold != held_out
        draw = N_SIMILAR if held_out is None else N_SIMILAR + 1 + held_out
        return self.chosen_under(self.label, self.permuted(draw), say)

    def chosen_under(self, label: Codes, permuted: Codes, say: Mask) -> latents_of.Chosen:
        """Latents of every target under some labels."""
        n = len(self.texts.labels)
        return latents_of.choose_all(self.values, label, permuted, say, language=self.texts.language, n_labels=n)

    def cells(self) -> Floats | None:
        """Activations as (languages, targets, repeats, latents); None where no balanced layout can be made.

        Templates that lack a text in some language are left out; then as many of each target as all have.
        """
        texts = self.texts
        there: dict[tuple[int, int, str], dict[int, int]] = {}
        for row in np.flatnonzero(self.label >= 0):
            key = (int(self.label[row]), int(texts.fold[row]), texts.items[row].template)
            there.setdefault(key, {})[int(texts.language[row])] = int(row)
        languages = sorted({language for one in there.values() for language in one})
        whole = {key: one for key, one in there.items() if len(one) == len(languages)}
        by_target: dict[int, list[tuple[int, str]]] = {}
        for target, fold, template in sorted(whole):
            by_target.setdefault(target, []).append((fold, template))
        n_targets = len(texts.labels)
        if self.blocks:  # a facet that lacks one culture is left out
            common = set.intersection(*({fold for fold, _ in by_target.get(t, [])} for t in range(n_targets)))
            by_target = {t: [one for one in many if one[0] in common] for t, many in by_target.items()}
        n_repeats = min((len(by_target.get(target, [])) for target in range(n_targets)), default=0)
        if len(languages) < 2 or n_targets < 2 or n_repeats < 2:
            return None
        rows = [
            [[whole[target, *one][language] for one in by_target[target][:n_repeats]] for target in range(n_targets)]
            for language in languages
        ]
        return self.values[np.array(rows)]


# --- acts on latents ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CausalAct:
    """One item: what is asked of the model with and without its target's latents set.

    `terms` says, for each kind of act, which log-probabilities add up to its effect: (place in `edits`, weight).
    `shared` pools foils: groups of places whose probabilities are averaged before anything else.
    """

    item: Item
    target: str
    n_latents: int
    edits: tuple[Edit, ...]
    groups: tuple[tuple[int, ...], ...]
    terms: Mapping[str, tuple[tuple[int, float], ...]]

    def effects(self, logps: Sequence[float]) -> dict[str, float]:
        """Nats by kind of act; NaN where an answer could not be spelled."""
        pooled = [
            float(np.logaddexp.reduce([logps[place] for place in group]) - np.log(len(group))) for group in self.groups
        ]
        return {kind: sum(weight * pooled[group] for group, weight in terms) for kind, terms in self.terms.items()}


def causal_acts(space: _Space, by_fold: Mapping[int, latents_of.Chosen]) -> Iterator[CausalAct]:
    """For every second item, in one of the suite's languages (they go round), the acts on its target's latents.

    Culture: m = log P(right answer) - log P(mean of foils). `ablate`: m with the name as it is, less m with the
    culture's latents set to zero; `ablate random`: the same with as many other latents that are as often active;
    `clamp`: m of the neutral prompt with the latents set to their level on the target's choosing texts, less m as it
    is. Values: m = m(agree) - m(disagree) of the endorsing, less the same of the rejecting statement; the same
    acts, on both.
    """
    texts = space.texts
    kind = texts.suite.record.kind
    items = sorted(
        {
            (item.id, item.language): item for item, label in zip(texts.items, space.label, strict=True) if label >= 0
        }.items()
    )
    known = {(item.id, item.language): row for row, item in enumerate(texts.items) if space.label[row] >= 0}
    by_target: dict[int, list[str]] = {}
    for row in known.values():
        by_target.setdefault(int(space.label[row]), []).append(texts.items[row].id)
    # Of each target's items every second, beginning with its first or its second in turn: no facet goes without.
    wanted = [
        sorted(set(by_target[target]))[number % CAUSAL_EVERY :: CAUSAL_EVERY]
        for number, target in enumerate(sorted(by_target))
    ]
    some = sorted({id_ for many in wanted for id_ in many})
    for number, id_ in enumerate(some):
        many = [item for (of, _), item in items if of == id_]
        item = many[number % len(many)]
        row = known[item.id, item.language]
        chosen = by_fold[int(texts.fold[row])]
        which = int(space.label[row])
        if len(chosen.latents[which]):
            make = _culture_act if kind is Kind.CULTURE else _values_act
            act = make(space, item, which, chosen)
            if act is not None:
                yield act


def _sets(space: _Space, item: Item, which: int, chosen: latents_of.Chosen) -> dict[str, Setting]:
    """What is set in each kind of act on a target's latents."""
    places = chosen.latents[which]
    active = (space.values > 0).mean(axis=0)
    taken = set(np.concatenate(list(chosen.latents.values())).tolist())
    free = np.array([place for place in range(len(space.alive)) if place not in taken], dtype=np.int64)
    generator = np.random.default_rng([_seed(item.id), _seed(item.language), 6])
    matched: list[int] = []
    for place in places.tolist():
        left = np.array([one for one in free.tolist() if one not in matched], dtype=np.int64)
        if len(left):
            near = left[np.argsort(np.abs(active[left] - active[place]), kind="stable")[:10]]
            matched.append(int(generator.choice(near)))
    numbers = tuple(space.alive[places].tolist())
    levels = tuple(float(value) for value in chosen.level[which])
    others = tuple(space.alive[matched].tolist())
    return {
        "none": Setting(),
        "ablate": Setting(numbers, (0.0,) * len(numbers)),
        "clamp": Setting(numbers, levels),
        "ablate random": Setting(others, (0.0,) * len(others)),
    }


def _culture_act(space: _Space, item: Item, which: int, chosen: latents_of.Chosen) -> CausalAct | None:
    asks = {ask.context: ask for ask in item.asks}
    asked, neutral = asks.get("asked/1"), asks.get("neutral/1")
    if asked is None or neutral is None or item.culture is None:
        return None
    foils = sorted(set(asked.answers) - {item.culture}, key=lambda one: _seed(f"{item.id} {one}"))[:N_FOILS]
    if not foils:
        return None
    sets = _sets(space, item, which, chosen)
    edits: list[Edit] = []
    groups: list[tuple[int, ...]] = []
    margin: dict[tuple[str, str], tuple[int, int]] = {}
    for name, ask, act in (
        ("asked", asked, "none"),
        ("asked", asked, "ablate"),
        ("asked", asked, "ablate random"),
        ("neutral", neutral, "none"),
        ("neutral", neutral, "clamp"),
    ):
        begin = len(edits)
        edits += [
            Edit(prompt=ask.prompt, answer=ask.answers[role], setting=sets[act]) for role in (item.culture, *foils)
        ]
        margin[name, act] = (len(groups), len(groups) + 1)
        groups += [(begin,), tuple(range(begin + 1, len(edits)))]

    def change(before: tuple[str, str], after: tuple[str, str]) -> tuple[tuple[int, float], ...]:
        return (
            (margin[after][0], 1.0), (margin[after][1], -1.0),
            (margin[before][0], -1.0), (margin[before][1], 1.0),
        )  # fmt: skip

    return CausalAct(
        item=item,
        target=space.texts.labels[which],
        n_latents=len(chosen.latents[which]),
        edits=tuple(edits),
        groups=tuple(groups),
        terms={
            "ablate": change(("asked", "ablate"), ("asked", "none")),
            "clamp": change(("neutral", "none"), ("neutral", "clamp")),
            "ablate random": change(("asked", "ablate random"), ("asked", "none")),
        },
    )


def _values_act(space: _Space, item: Item, which: int, chosen: latents_of.Chosen) -> CausalAct | None:
    asks = {ask.context.partition("/")[0]: ask for ask in reversed(item.asks)}
    if "endorse" not in asks or "reject" not in asks:
        return None
    sets = _sets(space, item, which, chosen)
    edits: list[Edit] = []
    margin: dict[str, list[tuple[int, float]]] = {}
    for act, setting in sets.items():
        for context, sign in (("endorse", 1.0), ("reject", -1.0)):
            for role, weight in (("agree", sign), ("disagree", -sign)):
                ask = asks[context]
                margin.setdefault(act, []).append((len(edits), weight))
                edits.append(Edit(prompt=ask.prompt, answer=ask.answers[role], setting=setting))

    def change(before: str, after: str) -> tuple[tuple[int, float], ...]:
        return (*margin[after], *((place, -weight) for place, weight in margin[before]))

    return CausalAct(
        item=item,
        target=space.texts.labels[which],
        n_latents=len(chosen.latents[which]),
        edits=tuple(edits),
        groups=tuple((place,) for place in range(len(edits))),
        terms={
            "ablate": change("ablate", "none"),
            "clamp": change("none", "clamp"),
            "ablate random": change("ablate random", "none"),
        },
    )


# --- small things -------------------------------------------------------------------------------


def practice_texts(item: Item) -> tuple[str, ...]:
    """The neutral prompts of a culture item, each with the right answer; none for other items."""
    if item.culture is None:
        return ()
    return tuple(
        ask.prompt + ask.answers[item.culture][0]
        for ask in item.asks
        if ask.context.startswith("neutral/") and item.culture in ask.answers
    )


def _usable(suite: Suite) -> list[Item]:
    """Items that may support something: no controls, none held back; sorted by language, then id."""
    kept = [item for item in suite.items if not item.control and not item.quarantine]
    return sorted(kept, key=lambda item: (item.language, item.id))


def _alive(values: Floats) -> Floats:
    return values[:, (values != 0).any(axis=0)]


def _mean_of(many: Sequence[Floats]) -> Floats:
    stacked = np.stack(many)
    there = np.isfinite(stacked)
    sums = np.where(there, stacked, 0.0).sum(axis=0)
    return np.divide(sums, there.sum(axis=0), out=np.full(sums.shape, np.nan), where=there.any(axis=0))


def _seed(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON has it; NaN as None."""
    out = {}
    for name, value in row.items():
        plain = value.item() if hasattr(value, "item") else value
        out[name] = None if isinstance(plain, float) and not np.isfinite(plain) else plain
    return out


def _number(value: Any) -> Any:
    return float("nan") if value is None else value
