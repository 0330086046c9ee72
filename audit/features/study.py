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
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from audit import runs
from audit.errors import UnsupportedModelError
from audit.features import latents as latents_of
from audit.features.acts import causal_acts
from audit.features.probing import Bits, Design, centred, held_out_bits, permuted_within, swapped_within
from audit.features.reading import Reader, random_latents
from audit.features.spaces import N_SIMILAR, PRACTICE, Space, Texts, practice_texts, seed_of, usable
from audit.features.steering import N_RANDOM, UNIT, random_directions, unit_direction
from audit.progress import Reporter
from audit.records import SAE_COLUMNS, Item, Kind, Suite
from audit.sharing import Job

if TYPE_CHECKING:
    from audit.features.saes import Dictionary

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEAVES = ("saes", "capacities", "latents", "scores", "steering", "causal", "contexts", "similarities", "exclusions")
TABLES = {name: runs.TABLES[name] for name in LEAVES}
PROBE, LATENTS, RANDOM = "probe", "latents", "latents of a random model"

TEXTS_PER_PORTION = 48
PROMPTS_PER_PORTION = 16
ACTS_PER_PORTION = 14  # together: the vocabulary is read once for all of them
VALUE_FOLDS = 3
MOST_CONTEXT_LATENTS = 4  # of a target, whose contexts are shown
N_CONTEXTS = 5
JUDGED_TEXTS, JUDGED_TOKENS = 24, 120  # of each language, on which the SAE is judged


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
        portions = [unique[begin : begin + TEXTS_PER_PORTION] for begin in range(0, len(unique), TEXTS_PER_PORTION)]
        jobs = [Job(do=partial(self.reader.states, some, random=random), size=len(some)) for some in portions]
        self.reader.share(jobs, done=self.reporter.advance, random=random)
        for some in portions:
            read = self.reader.states(some, random=random)
            values |= dict(zip(some, read.values.astype(float), strict=True))
            refused |= {some[row]: reason for row, reason in read.refused.items()}
        return np.stack([values[text] for text in texts]) if texts else np.empty((0, 0)), refused

    def _culture(self, suite: Suite) -> Texts:
        """Practice texts, and each neutral prompt once per language and facet (under the facet's first item)."""
        cultures = tuple(sorted({item.culture for item in usable(suite) if item.culture}))
        facets = sorted({item.topic for item in usable(suite)})
        entries: list[tuple[Item, str, tuple[str, ...], int]] = []
        for item in usable(suite):
            many = practice_texts(item)
            if item.culture and many:
                entries.append((item, PRACTICE, many, cultures.index(item.culture)))
        by_facet = sorted(usable(suite), key=lambda item: (item.language, item.topic, item.id))
        for _, group in groupby(by_facet, key=lambda item: (item.language, item.topic)):
            first = next(group)
            entries += [
                (first, ask.context, (ask.prompt,), -1) for ask in first.asks if ask.context.startswith("neutral/")
            ]
        return self._gathered(suite, entries, labels=cultures, fold=lambda item: facets.index(item.topic))

    def _values(self, suite: Suite) -> Texts:
        """Statements in the first frame."""
        mine = [item for item in usable(suite) if item.frameworks]
        frameworks = tuple(sorted({item.frameworks[0] for item in mine}))
        place: dict[str, int] = {}
        for framework in frameworks:
            templates = sorted({item.template for item in mine if item.frameworks[0] == framework})
            place |= {template: number for number, template in enumerate(templates)}
        frames = sorted({ask.context.partition("/")[2] for item in mine for ask in item.asks})
        entries = [
            (item, ask.context, (ask.prompt,), -1 if ask.context.startswith("neutral") else which)
            for item in mine
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
            for item in usable(suite):
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
        seed = [seed_of(texts.suite.record.name), 1]
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
                seed = [seed_of(f"{texts.suite.record.name} {framework}"), 2]
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

    def _latents(self, dictionary: Dictionary, texts: Texts, *, blocks: bool) -> Space:
        """The tables of latents of one suite; what the dilemmas need of it is returned."""
        own = texts.begins(PRACTICE, "endorse")
        whole = self._encoded(dictionary, texts.states)
        active = (whole[texts.label >= 0] > 0).mean(axis=0) if (texts.label >= 0).any() else np.zeros(whole.shape[1])
        alive = np.flatnonzero(active >= latents_of.FEWEST_ACTIVE)
        values = whole[:, alive]
        label = np.where(own, texts.label, -1)
        space = Space(texts=texts, values=values, alive=alive, label=label, blocks=blocks)
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

    def _latent_rows(self, dictionary: Dictionary, space: Space, chosen: latents_of.Chosen) -> None:
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

    def _split(self, space: Space) -> tuple[latents_of.Split, Floats, Floats, list[str]]:
        cells = space.cells()
        if cells is None:
            none = np.full(len(space.alive), np.nan)
            split = latents_of.Split(language=none, content=none, interaction=none, rest=none)
            return split, none, none, [""] * len(space.alive)
        split = latents_of.variance_split(cells)
        seed = [seed_of(space.texts.suite.record.name), 3]
        permuted, p = latents_of.permuted_content(cells, blocks=space.blocks, seed=seed)
        return split, permuted, p, latents_of.kinds(split, permuted, p)

    def _score_rows(self, texts: Texts, values: Floats, space: Space, chosen: latents_of.Chosen) -> None:
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

    def _similarity_rows(self, space: Space, chosen: latents_of.Chosen) -> None:
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

    def _context_rows(self, dictionary: Dictionary, space: Space, chosen: latents_of.Chosen) -> None:
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

    def _causal_rows(self, dictionary: Dictionary, space: Space, by_fold: Mapping[int, latents_of.Chosen]) -> None:
        acts = list(causal_acts(space, by_fold))
        name = space.texts.suite.record.name
        self.reporter.stage(f"features: setting latents on {name}", total=len(acts), unit="items")
        portions = [acts[begin : begin + ACTS_PER_PORTION] for begin in range(0, len(acts), ACTS_PER_PORTION)]
        edits = [[edit for act in some for edit in act.edits] for some in portions]
        jobs = [
            Job(do=partial(self.reader.edited, many, dictionary), size=len(some))
            for some, many in zip(portions, edits, strict=True)
        ]
        self.reader.share(jobs, done=self.reporter.advance)
        for some, many in zip(portions, edits, strict=True):
            logps = iter(self.reader.edited(many, dictionary))
            for act in some:
                for kind, effect in act.effects([next(logps) for _ in act.edits]).items():
                    item = act.item
                    self.out.add("causal", name, item.language, item.id, act.target, kind, effect, act.n_latents)

    # --- dilemmas -----------------------------------------------------------------------------

    def _dilemma(self, suite: Suite, values: Texts | None, spaces: Mapping[str, Space]) -> None:
        """Slopes along the frameworks' directions, and scores of the frameworks' latents; none without statements."""
        if values is None:
            return
        mine = [item for item in usable(suite) if len(item.frameworks) == 2]
        asks = [(item, ask) for item in mine for ask in item.asks if ask.context in ("1/ab", "1/ba")]
        self.reporter.stage(f"features: steering {suite.record.name}", total=len(asks), unit="prompts")
        margins: dict[tuple[str, str], list[Floats]] = {}
        states, kept = [], []
        portions = [
            many[begin : begin + PROMPTS_PER_PORTION]
            for many in (list(group) for _, group in groupby(asks, key=lambda one: one[0].language))
            for begin in range(0, len(many), PROMPTS_PER_PORTION)
        ]
        jobs = [Job(do=partial(self.reader.pushed, [ask for _, ask in some]), size=len(some)) for some in portions]
        self.reader.share(jobs, done=self.reporter.advance)
        for some in portions:
            read = self.reader.pushed([ask for _, ask in some])
            for row, (item, ask) in enumerate(some):
                if row in read.refused:
                    self._refuse(suite, item, read.refused[row])
                else:
                    margins.setdefault((item.language, item.id), []).append(read.gradients[row].astype(float))
                    states.append(read.states[row].astype(float))
                    kept.append((item, ask))
        self._steering_rows(suite, mine, margins, values)
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
        seed = [seed_of(values.suite.record.name), 4, seed_of(language)]
        free = random_directions(drawn, n=N_RANDOM, seed=seed)
        out = {}
        for number, framework in enumerate(values.labels):
            mine = statements & (values.label == number)
            endorse, reject = values.states[mine & (stance > 0)], values.states[mine & (stance < 0)]
            if len(endorse) and len(reject):
                own = unit_direction(endorse.mean(axis=0) - reject.mean(axis=0))
                out[framework] = np.concatenate([own[None], free])
        return out


# --- small things -------------------------------------------------------------------------------


def _alive(values: Floats) -> Floats:
    return values[:, (values != 0).any(axis=0)]


def _mean_of(many: Sequence[Floats]) -> Floats:
    stacked = np.stack(many)
    there = np.isfinite(stacked)
    sums = np.where(there, stacked, 0.0).sum(axis=0)
    return np.divide(sums, there.sum(axis=0), out=np.full(sums.shape, np.nan), where=there.any(axis=0))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON has it; NaN as None."""
    out = {}
    for name, value in row.items():
        plain = value.item() if hasattr(value, "item") else value
        out[name] = None if isinstance(plain, float) and not np.isfinite(plain) else plain
    return out


def _number(value: Any) -> Any:
    return float("nan") if value is None else value
