"""gather(), then weigh(), then report(): the stages in order.

Gathering touches the model and ends in one record, Evidence, on disk. Everything after it works from that folder alone,
without torch.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from audit import findings as findings_of
from audit.commands import WITH_FEATURES, command_of
from audit.errors import DictionaryError, ModelError, ResourceError, RunError, UsageError
from audit.escaping import without_quotations
from audit.progress import Reporter, Silent
from audit.records import (
    EXCLUSION_COLUMNS,
    Evidence,
    Finding,
    Item,
    Judgements,
    Kind,
    Manifest,
    ModelRecord,
    NoiseFloor,
    Suite,
    as_dict,
)
from audit.runs import RESULTS, TABLES, RunFolder, ShardCache, cache_folder, run_id_of, sha256_of
from audit.suites import core_languages, digest_of, list_builtin, load_suite, written_languages
from audit.wording import LANGUAGES

if TYPE_CHECKING:
    from audit.circuits.selftest import SelfTest

DEFAULT_MODEL = "gemma-3-270m"
OWN_NAME = "plural-audit"
# Whose versions can change a number: of the evidence, and of what is made of it.
OBSERVING = ("torch", "transformers", "tokenizers")
PROBING, ENCODING = ("numpy",), ("sae-lens",)  # besides, where features are looked at; where an SAE is loaded
WEIGHING = (OWN_NAME, "numpy", "scipy", "statsmodels", "pandas")
DRAWING = ("reportlab", "altair", "vl-convert-python", "svglib", "uharfbuzz", "fonttools", "budoux", "pikepdf", "babel")
# Raise when scoring, looking inside, or planting changes what the numbers are: cached shards are then computed anew.
SCORING = 4
LOOKING = 6
SELF_TEST = 1
FEATURES = 3
UNREAD = "the model does not read the language; --circuits exact looks all the same"
NO_SAE = "no SAE"  # where others have a digest


# none: only ask. screened: estimate what every node does, then patch the best and a random sample one by one. exact:
# patch every node one by one.
Depth = Literal["none", "screened", "exact"]
Items = Literal["core", "all"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to audit: everything that decides the result, and nothing else."""

    model: str = DEFAULT_MODEL
    suites: tuple[str, ...] = ()  # names or folders; none means all built-in ones
    # "core": what each suite declares as its core, the short audit; "all": every item. Suites without a core are
    # asked whole.
    items: Items = "core"
    languages: tuple[str, ...] = ()  # none means those of each suite's core, and with "all" every one it is written in
    limit: int | None = None  # items per topic, for a quick look (competence stays whole); None means all
    circuits: Depth = "screened"  # how far to look inside the model on stereotype suites
    # The sparse autoencoder for the features of culture, values and dilemma suites: "bundled" (for a model that none
    # comes with, probes and steering alone), a folder, release/id of sae-lens' registry; "none": no features at all.
    sae: str = "bundled"
    dtype: str = "float32"
    device: str = "cpu"
    # SHA-256 of the release policy that was agreed before anything was gathered (audit.release.policy); "" none. It
    # decides no number, but whether the gate may let the run pass, so it is part of the run's id.
    policy: str = ""


def run(
    request: Request, *, runs: Path = Path("runs"), reporter: Reporter | None = None, accept_terms: bool = False
) -> RunFolder:
    """Gather, weigh, report. A run that is complete, undamaged and weighed with these versions is returned as it is.

    Args:
        request: what to audit.
        runs: folder that holds the run folders.
        reporter: where progress is told.
        accept_terms: accept the licence terms of the model, if it has any, on the user's behalf.
    """
    folder = gather(request, runs=runs, reporter=reporter, accept_terms=accept_terms)
    with folder.lock():
        if folder.weighed_with() != weighing_versions() or folder.damaged():
            _weigh(folder, reporter or Silent())
            _report(folder, reporter or Silent())
    return folder


# --- gather ----------------------------------------------------------------------------------


def gather(
    request: Request, *, runs: Path = Path("runs"), reporter: Reporter | None = None, accept_terms: bool = False
) -> RunFolder:
    """Ask the model everything and keep what it answered. Needs torch.

    Every shard is cached as soon as it is scored: killed at any point, the same call goes on where it was, and the
    tables have the same bytes as those of a run that was never stopped.
    """
    reporter = reporter or Silent()
    suites = load_suites(request)
    record = prepare_model(request, reporter=reporter, accept_terms=accept_terms)
    manifest = plan(request, record, suites)
    folder = RunFolder(runs / manifest.run_id)
    if not _whole(folder):
        reporter.log_to(folder.path / "run.log")
        cache, model = ShardCache(cache_folder() / "shards"), _Model(request, manifest.model, reporter)
        dictionary = _dictionary(request, suites, model)  # a wrong one is refused before hours are spent
        evidence = _observe(manifest, suites, model, cache, reporter)
        if request.circuits != "none":
            evidence = _look_inside(request.circuits, evidence, suites, model, cache, reporter)
        if _has_features(request, suites):
            evidence = _features(dictionary, evidence, suites, model, cache, reporter)
        with folder.lock():
            if not _whole(folder):  # another process may have gathered the same meanwhile
                folder.write_evidence(_without_closed_words(evidence))
    return folder


def _without_closed_words(evidence: Evidence) -> Evidence:
    """The evidence as a run may hold it: no reason quotes the words of a suite whose licence forbids copies."""
    closed = [suite.name for suite in evidence.manifest.suites if not suite.redistributable]

    def unquoted(table: pd.DataFrame, column: str) -> pd.DataFrame:
        open_ = ~table["suite"].isin(closed)
        return table.assign(**{column: table[column].where(open_, table[column].map(without_quotations))})

    return replace(
        evidence, items=unquoted(evidence.items, "quarantine"), exclusions=unquoted(evidence.exclusions, "reason")
    )


class _Model:
    """The model of a run, loaded when it is first asked for."""

    def __init__(self, request: Request, record: ModelRecord, reporter: Reporter) -> None:
        self._request, self._record, self._reporter = request, record, reporter
        self._loaded: Any = None

    def __call__(self) -> Any:
        from audit import models

        if self._loaded is None:
            self._reporter.stage("loading the model")
            request = self._request
            audited = models.AuditedModel.load(request.model, dtype=request.dtype, device=request.device)
            if audited.record != self._record:
                raise ModelError(
                    f"{request.model}: its files changed while the run was prepared; run the command again"
                )
            self._loaded = audited
        return self._loaded


def _observe(
    manifest: Manifest, suites: Sequence[Suite], model: _Model, cache: ShardCache, reporter: Reporter
) -> Evidence:
    """Every shard from the cache or from the model; the model is loaded only if something is missing."""
    from audit import observe
    from audit.sharing import Job, share

    shards = observe.plan_shards(
        suites, model=manifest.model, versions={**_observing(manifest), "scoring": str(SCORING)}
    )
    kept: dict[str, Mapping[str, Any] | None] = {shard.key: cache.read(shard.key) for shard in shards}
    without_policy = {name: value for name, value in manifest.settings.items() if name != "policy"}
    asked = run_id_of(replace(manifest, settings=without_policy))
    noise_key = hashlib.sha256(b"noise floor of " + asked.encode()).hexdigest()
    noise = cache.read(noise_key)
    todo = [shard for shard in shards if kept[shard.key] is None]
    if todo or noise is None:
        audited = model()
        if noise is None:
            reporter.stage("measuring the noise floor")
            floor = observe.measure_noise(audited, suites)
            noise = {"floor": as_dict(floor) if floor is not None else None}
            cache.write(noise_key, noise)
        reporter.stage("scoring", total=sum(len(shard.items) for shard in todo), unit="items")

        def scored(shard: observe.Shard) -> Mapping[str, Any]:
            return cache.kept(shard.key, lambda: as_dict(observe.score_shard(audited, shard)))

        jobs = [Job(do=partial(scored, shard), size=len(shard.items)) for shard in todo]
        share(jobs, cache=cache, load=model, done=reporter.advance)
        kept |= {shard.key: scored(shard) for shard in todo}
    floor_of = NoiseFloor(**noise["floor"]) if noise["floor"] is not None else None
    return _merge(replace(manifest, noise_floor=floor_of), suites, shards, kept)


def _look_inside(
    depth: Literal["screened", "exact"],
    evidence: Evidence,
    suites: Sequence[Suite],
    model: _Model,
    cache: ShardCache,
    reporter: Reporter,
) -> Evidence:
    """The evidence with the circuits of its stereotype suites; every look from the cache or from the model.

    Languages that the model does not read are left out unless every node is patched: nothing found there could be
    interpreted, and they cost the most, since a word has more tokens.
    """
    from audit.circuits import Looker, study
    from audit.measures import failed_competence

    versions = {**_observing(evidence.manifest), "looking": str(LOOKING)}
    looker = Looker(model, model=evidence.manifest.model, versions=versions, cache=cache)
    failed = failed_competence(evidence)
    left_out = failed if depth == "screened" else ()
    studies, unread = [], []
    for suite in (suite for suite in suites if suite.record.kind is Kind.STEREOTYPE):
        margins = _margins(evidence, suite.record.name)
        studies.append(
            study(
                suite,
                {place: margin for place, margin in margins.items() if place[0] not in left_out},
                looker=looker,
                depth=depth,
                readable=[language for language in suite.languages if language not in failed],
                reporter=reporter,
            )
        )
        unread += [(suite.record.name, *place, "circuits", UNREAD) for place in margins if place[0] in left_out]
    tables = {
        name: pd.concat([getattr(evidence, name), *(getattr(one, name) for one in studies)], ignore_index=True)
        for name in ("nodes", "circuits", "patches", "edges", "readings", "exclusions")
    }
    tables["exclusions"] = pd.concat(
        [tables["exclusions"], pd.DataFrame(unread, columns=list(EXCLUSION_COLUMNS))], ignore_index=True
    )
    return replace(evidence, **tables)


def self_test(
    request: Request,
    *,
    topics: Sequence[str] = (),
    strengths: Sequence[float],
    nodes: Sequence[tuple[int, int]] = (),
    reporter: Reporter | None = None,
    accept_terms: bool = False,
) -> SelfTest:
    """Plant known stereotypes in a model and see how well its circuits are found (audit.circuits.selftest).

    Args:
        request: the model, one stereotype suite, languages.
        topics: axes to plant on; none: all.
        strengths: nats by which plants raise the mean effect.
        nodes: (layer, head) to plant through; none: some spread over depth.
        reporter: where progress is told.
        accept_terms: accept the licence terms of the model on the user's behalf.
    """
    from audit.circuits import planting, selftest

    reporter = reporter or Silent()
    (suite,) = load_suites(request)
    if suite.record.kind is not Kind.STEREOTYPE:
        raise UsageError(f"--suite: {suite.record.name} is of kind {suite.record.kind}; a self-test plants stereotypes")
    record = prepare_model(request, reporter=reporter, accept_terms=accept_terms)
    audited = _Model(request, record, reporter)()
    cases = planting.cases_of(audited, [item for item in suite.items if not item.quarantine])
    reporter.stage("reading the unplanted model")
    return selftest.self_test(
        planting.survey(audited, cases),
        topics=topics,
        strengths=strengths,
        nodes=nodes,
        cache=ShardCache(cache_folder() / "shards"),
        versions={**_versions(OBSERVING), "looking": str(LOOKING), "self-test": str(SELF_TEST)},
        reporter=reporter,
    )


def _has_features(request: Request, suites: Sequence[Suite]) -> bool:
    return request.sae != "none" and any(suite.record.kind in WITH_FEATURES for suite in suites)


def _dictionary(request: Request, suites: Sequence[Suite], model: _Model) -> Any:
    """The SAE that is asked for, or None where there is none to load."""
    if not _has_features(request, suites) or _sae_digest(request.sae, request.model) == NO_SAE:
        return None
    from audit.features.saes import load

    return load(request.sae, model=model())


def _sae_digest(ref: str, model: str) -> str:
    """What tells an SAE from others of its name, without loading it; NO_SAE where "bundled" names none."""
    from audit.features import saes

    folder = Path(ref).expanduser()
    if ref == "bundled":
        try:
            folder = saes.bundled_folder(model)
        except DictionaryError:
            return NO_SAE
    elif not folder.is_dir():
        return ref  # of the registry
    files = [folder / name for name in (saes.CONFIG, saes.WEIGHTS)]
    if not all(file.is_file() for file in files):
        raise DictionaryError(f"{folder}: no {saes.CONFIG} and {saes.WEIGHTS}; give a folder in sae-lens' format")
    return hashlib.sha256(":".join(sha256_of(file) for file in files).encode()).hexdigest()


def _features(
    dictionary: Any,
    evidence: Evidence,
    suites: Sequence[Suite],
    model: _Model,
    cache: ShardCache,
    reporter: Reporter,
) -> Evidence:
    """The evidence with what probes, latents and steering say on its culture, values and dilemma suites."""
    from audit.circuits import Looker
    from audit.circuits.pathway import pathway
    from audit.features.reading import Reader
    from audit.features.study import study
    from audit.measures import failed_competence

    record = evidence.manifest.model
    if dictionary is None:
        reporter.say(f"no SAE comes with this package for {record.name}: probes and steering only")
    reader = Reader(
        model,
        model=record,
        layer=dictionary.layer if dictionary is not None else record.n_layers // 2,
        versions={**evidence.manifest.versions, "features": str(FEATURES)},
        cache=cache,
    )
    found = study(suites, reader=reader, dictionary=dictionary, reporter=reporter)
    tables = {name: [getattr(evidence, name), table] for name, table in found.items()}
    looking = {**_observing(evidence.manifest), "looking": str(LOOKING), "features": str(FEATURES)}
    unread = failed_competence(evidence)
    for suite in suites:
        if suite.record.kind is Kind.CULTURE:
            capacities, exclusions = pathway(
                suite,
                looker=lambda: Looker(model, model=record, versions=looking, cache=cache),
                unread=unread,
                reporter=reporter,
            )
            tables["capacities"].append(capacities)
            tables["exclusions"].append(exclusions)
    return replace(evidence, **{name: pd.concat(many, ignore_index=True) for name, many in tables.items()})


def _margins(evidence: Evidence, suite: str) -> dict[tuple[str, str], tuple[float, float]]:
    """(language, item) -> log P(a) - log P(b) after the base and after the counterpart, of the items that have both."""
    rows = evidence.observations
    rows = rows[(rows["suite"] == suite) & rows["context"].isin(["base", "counterpart"])]
    table = rows.pivot_table(index=["language", "item"], columns=["context", "answer"], values="logp")
    wanted = [(context, answer) for context in ("base", "counterpart") for answer in ("a", "b")]
    table = table.reindex(columns=pd.MultiIndex.from_tuples(wanted)).dropna()
    values = table.to_numpy(dtype=float)
    margins = zip((values[:, 0] - values[:, 1]).tolist(), (values[:, 2] - values[:, 3]).tolist(), strict=True)
    return dict(zip(table.index.tolist(), margins, strict=True))


def prepare_model(request: Request, *, reporter: Reporter, accept_terms: bool) -> ModelRecord:
    """Which model that is; fetched or converted first if need be, its terms shown and accepted if asked."""
    from audit import models

    text = models.terms(request.model)
    if accept_terms and text is not None:
        reporter.say(text)
        reporter.say(f"Accepted: {models.accept_terms(request.model)}")
    begun: dict[str, int] = {}

    def tell(stage: str, share: float) -> None:
        if stage not in begun:
            begun[stage] = 0
            reporter.stage(f"preparing the model: {stage}", total=100, unit="%")
        percent = int(100 * share)
        if percent > begun[stage]:
            reporter.advance(percent - begun[stage])
            begun[stage] = percent

    return models.prepare(request.model, dtype=request.dtype, device=request.device, progress=tell)


def load_suites(request: Request) -> tuple[Suite, ...]:
    """The suites asked for, in the languages asked for, cut to `limit` items per topic.

    Raises:
        UsageError: a language that no suite has.
        SuiteError: a suite that is not there or is refused by the linter.
    """
    names = request.suites or list_builtin()
    if len(set(names)) < len(names):
        raise UsageError(f"--suite: the same suite twice in {', '.join(names)}; name each once")
    known = {name: written_languages(name) for name in names}
    everywhere = {language for languages in known.values() for language in languages}
    missing = [language for language in request.languages if language not in everywhere]
    if missing:
        raise UsageError(f"--languages: no suite has {', '.join(missing)}; there are {', '.join(sorted(everywhere))}")
    suites = []
    short = request.items == "core"
    for name, written in known.items():
        wanted = request.languages or (core_languages(name) if short else written)
        chosen = [language for language in written if language in wanted]
        if chosen:
            suites.append(_limited(load_suite(name, languages=chosen, core=short), request.limit))
    called = [suite.record.name for suite in suites]
    if len(set(called)) < len(called):
        raise UsageError(f"--suite: two suites are called {_first_double(called)}; rename one in its suite.toml")
    return tuple(suites)


def _first_double(names: Sequence[str]) -> str:
    return next(name for place, name in enumerate(names) if name in names[:place])


def _limited(suite: Suite, limit: int | None) -> Suite:
    """At most `limit` items per topic, the same ones in each language; controls are a topic of their own.

    Competence is always asked whole: with four items no language passes its bar, and nothing could be interpreted.
    """
    if limit is None or suite.record.kind is Kind.COMPETENCE:
        return suite
    ids = sorted({(item.topic, item.control, item.id) for item in suite.items})
    kept = {id_ for _, group in groupby(ids, key=lambda one: one[:2]) for _, _, id_ in list(group)[:limit]}
    items = tuple(item for item in suite.items if item.id in kept)
    absent = {code: {i: why for i, why in of.items() if i in kept} for code, of in suite.record.absent.items()}
    record = replace(suite.record, absent={code: of for code, of in absent.items() if of})
    # The digest is of what is asked: the run id must change if other items are kept.
    return replace(suite, items=items, record=replace(record, digest=digest_of(record, items)))


def plan(request: Request, model: ModelRecord, suites: Sequence[Suite]) -> Manifest:
    """What the run will rest on; its id is the digest of that."""
    settings: dict[str, Any] = {"items": request.items, "limit": request.limit, "scoring": SCORING}
    settings |= {"circuits": request.circuits, "looking": LOOKING, "sae": "none"}
    versions: tuple[str, ...] = OBSERVING
    if _has_features(request, suites):
        digest = _sae_digest(request.sae, request.model)
        folder = Path(request.sae).expanduser()
        named = folder.resolve().name if request.sae != "bundled" and folder.is_dir() else request.sae
        settings |= {"sae": named, "sae_digest": digest, "features": FEATURES}
        versions += PROBING if digest == NO_SAE else (*PROBING, *ENCODING)
    settings |= {"policy": request.policy} if request.policy else {}
    manifest = Manifest(
        run_id="",
        model=model,
        suites=tuple(suite.record for suite in suites),
        languages=tuple(sorted({language for suite in suites for language in suite.languages})),
        settings=settings,
        versions=_versions(versions),
    )
    return replace(manifest, run_id=run_id_of(manifest))


def weighing_versions() -> dict[str, str]:
    """What decides findings and report, given the evidence."""
    return _versions((*WEIGHING, *DRAWING))


def _observing(manifest: Manifest) -> dict[str, str]:
    """What decides scores and circuits, whether features are looked at or not: runs with and without share them."""
    return {name: manifest.versions[name] for name in OBSERVING}


def _versions(names: Sequence[str]) -> dict[str, str]:
    try:
        return {name: importlib.metadata.version(name) for name in names}
    except importlib.metadata.PackageNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed; pip install 'plural-audit[models,report,sae]'") from None


def _merge(manifest: Manifest, suites: Sequence[Suite], shards: Sequence[Any], kept: Mapping[str, Any]) -> Evidence:
    observations, exclusions = [], []
    for shard in shards:
        of = (shard.suite, shard.language)
        observations += [(*of, *row) for row in kept[shard.key]["observations"]]
        exclusions += [(*of, item, "observe", why) for item, why in kept[shard.key]["exclusions"]]
    exclusions += [
        (suite.record.name, item.language, item.id, "lint", item.quarantine)
        for suite in suites
        for item in suite.items
        if item.quarantine
    ]
    items = [_item_row(suite, item) for suite in suites for item in suite.items]
    return Evidence(
        manifest=manifest,
        observations=pd.DataFrame(observations, columns=list(TABLES["observations"])),
        items=pd.DataFrame(items, columns=list(TABLES["items"])),
        exclusions=pd.DataFrame(exclusions, columns=list(TABLES["exclusions"])),
    )


def _item_row(suite: Suite, item: Item) -> Mapping[str, Any]:
    base, counterpart = item.groups or ("", "")
    framework, other_framework = (*item.frameworks, "", "")[:2]
    texts = json.dumps([asdict(ask) for ask in item.asks], ensure_ascii=False) if suite.record.redistributable else ""
    return {
        "suite": suite.record.name,
        "kind": str(suite.record.kind),
        "language": item.language,
        "item": item.id,
        "template": item.template,
        "topic": item.topic,
        "control": item.control,
        "base_group": base,
        "counterpart_group": counterpart,
        "culture": item.culture or "",
        "framework": framework,
        "other_framework": other_framework,
        "regions": "; ".join(item.regions),
        "source": item.source,
        "origin": item.origin,
        "author": item.author,
        "reviewed": item.reviewed,
        "quarantine": item.quarantine,
        "texts": texts,
    }


def _whole(folder: RunFolder) -> bool:
    """Whether the evidence is there and can be read as it was written; otherwise it is made again, from the cache."""
    try:
        folder.read_evidence()
    except RunError:
        return False
    return True


# --- weigh, report ---------------------------------------------------------------------------


def weigh(folder: RunFolder, *, reporter: Reporter | None = None) -> tuple[Finding, ...]:
    """Findings from the evidence of a run, written to `findings.json`; a report on older findings is removed."""
    with folder.lock():
        return _weigh(folder, reporter or Silent())


def report(folder: RunFolder, *, reporter: Reporter | None = None) -> Path:
    """The PDF of a run that has been weighed; with it the run is complete. Returns its path."""
    with folder.lock():
        return _report(folder, reporter or Silent())


def report_copy(
    folder: RunFolder,
    path: Path,
    *,
    language: str = "en",
    paper: str = "a4",
    judgements: Judgements | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """A further copy of a complete run's report: in another language, on other paper, as HTML, with people's words.

    The run stays as it is sealed.

    Args:
        folder: of the run.
        path: of the copy; its ending, .pdf or .html, says what it is.
        language: that it is said in, one of `audit.wording.LANGUAGES`.
        paper: "a4" or "letter", of a PDF.
        judgements: what people say of the findings, as the desk gives them.
        reporter: is told how far it is.

    Raises:
        UsageError: another ending, no such language or paper, or the path is one of the run's own files.
        RunError: the run is not complete, was changed, or the judgements are of another one.
    """
    from reports import build_html, build_pdf

    if path.suffix not in (".pdf", ".html"):
        raise UsageError(f"{path}: a report is a .pdf or an .html; choose one of these endings")
    if language not in LANGUAGES:
        raise UsageError(f"--language {language}: no report in it; choose one of {', '.join(LANGUAGES)}")
    if path.parent.resolve() == folder.path.resolve() and path.name in RESULTS:
        raise UsageError(f"{path}: is the run's own report, which stays as it is sealed; choose another name")
    if not folder.complete:
        raise RunError(f"{folder.path}: the run is not complete; run the same command again: plural-audit run")
    (reporter or Silent()).stage("writing the report")
    evidence, found = folder.read_evidence(), read_findings(folder)
    command = command_of(evidence.manifest)
    told: dict[str, Any] = {
        "evidence": evidence,
        "findings": found,
        "command": command,
        "judgements": judgements,
        "language": language,
    }
    if path.suffix == ".html":
        build_html(path, **told)
    else:
        build_pdf(path, **told, paper=paper)
    return path


def _weigh(folder: RunFolder, reporter: Reporter) -> tuple[Finding, ...]:
    reporter.stage("weighing the evidence")
    found = findings_of.weigh(folder.read_evidence())
    folder.write_result("findings.json", findings_of.to_json(found).encode())
    return found


def _report(folder: RunFolder, reporter: Reporter) -> Path:
    from reports import build_pdf

    reporter.stage("writing the report")
    evidence, found = folder.read_evidence(), read_findings(folder)
    path = folder.path / "report.pdf"
    with tempfile.TemporaryDirectory(prefix="plural-audit-") as place:
        built = Path(place) / "report.pdf"
        build_pdf(built, evidence=evidence, findings=found, command=command_of(evidence.manifest))
        content = built.read_bytes()
    # The same report again, of a run that `read_findings` found undamaged: its seal and signatures stay.
    if folder.complete and path.read_bytes() == content:
        return path
    folder.write_result("report.pdf", content)
    folder.seal(versions=weighing_versions())
    return path


def read_findings(folder: RunFolder) -> tuple[Finding, ...]:
    """The findings of a run.

    Raises:
        RunError: it has not been weighed yet, or was changed after it was sealed.
    """
    folder.require_undamaged()
    file = folder.path / "findings.json"
    if not file.is_file():
        raise RunError(f"{file}: not there; weigh the run first: plural-audit weigh {folder.path}")
    return findings_of.from_json(file.read_text(encoding="utf-8"))
