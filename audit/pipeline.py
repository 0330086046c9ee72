"""gather(), then weigh(), then report(): the stages in order.

Gathering touches the model and ends in one record, Evidence, on disk. Everything after it works from that folder alone,
without torch.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from audit import findings as findings_of
from audit.errors import UsageError
from audit.progress import Reporter, Silent
from audit.records import Evidence, Finding, Item, Manifest, ModelRecord, NoiseFloor, Suite, as_dict
from audit.runs import TABLES, RunFolder, ShardCache, cache_folder, canonical
from audit.suites import list_builtin, load_suite, written_languages

DEFAULT_MODEL = "gemma-3-270m"
# Libraries whose version can change a number.
LIBRARIES = ("torch", "transformers", "tokenizers")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to audit: everything that decides the result, and nothing else."""

    model: str = DEFAULT_MODEL
    suites: tuple[str, ...] = ()  # names or folders; none means all built-in ones
    languages: tuple[str, ...] = ()  # none means every language a suite has
    limit: int | None = None  # items per topic, for a quick look; None means all
    dtype: str = "float32"
    device: str = "cpu"

    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["plural-audit", "run", "--model", self.model]
        words += [word for suite in self.suites for word in ("--suite", suite)]
        words += ["--languages", ",".join(self.languages)] if self.languages else []
        words += ["--limit", str(self.limit)] if self.limit is not None else []
        words += ["--dtype", self.dtype] if self.dtype != "float32" else []
        words += ["--device", self.device] if self.device != "cpu" else []
        return shlex.join(words)


def run(
    request: Request, *, runs: Path = Path("runs"), reporter: Reporter | None = None, accept_terms: bool = False
) -> RunFolder:
    """Gather, weigh, report. A run that is complete and undamaged is returned as it is.

    Args:
        request: what to audit.
        runs: folder that holds the run folders.
        reporter: where progress is told.
        accept_terms: accept the licence terms of the model, if it has any, on the user's behalf.
    """
    folder = gather(request, runs=runs, reporter=reporter, accept_terms=accept_terms)
    if folder.complete and not folder.damaged():
        return folder
    weigh(folder, reporter=reporter)
    report(folder, reporter=reporter)
    return folder


# --- gather ----------------------------------------------------------------------------------


def gather(
    request: Request, *, runs: Path = Path("runs"), reporter: Reporter | None = None, accept_terms: bool = False
) -> RunFolder:
    """Ask the model everything and keep what it answered. Needs torch.

    Every shard is cached as soon as it is scored: killed at any point, the same call goes on where it was, and the
    tables have the same bytes as those of a run that was never stopped.
    """
    from audit import models, observe

    reporter = reporter or Silent()
    suites = load_suites(request)
    record = prepare_model(request, reporter=reporter, accept_terms=accept_terms)
    manifest = plan(request, record, suites)
    folder = RunFolder(runs / manifest.run_id)
    if folder.has_evidence and not _damaged_evidence(folder):
        return folder
    _log_into(folder, reporter)
    cache = ShardCache(cache_folder() / "shards")
    shards = observe.plan_shards(suites, model=record, versions=manifest.versions)
    todo = [shard for shard in shards if cache.read(shard.key) is None]
    noise_key = _noise_key(manifest)
    if todo or cache.read(noise_key) is None:
        reporter.stage("loading the model")
        audited = models.AuditedModel.load(request.model, dtype=request.dtype, device=request.device)
        if cache.read(noise_key) is None:
            reporter.stage("measuring the noise floor")
            cache.write(noise_key, as_dict(observe.measure_noise(audited, suites)))
        reporter.stage("scoring items", total=sum(len(shard.items) for shard in todo))
        for shard in todo:
            result = observe.score_shard(audited, shard)
            cache.write(shard.key, as_dict(result))
            reporter.advance(len(shard.items))
    folder.write_evidence(_merge(manifest, suites, shards, cache, noise_key))
    return folder


def prepare_model(request: Request, *, reporter: Reporter, accept_terms: bool) -> ModelRecord:
    """Which model that is; fetched or converted first if need be, its terms shown and accepted if asked."""
    from audit import models

    text = models.terms(request.model)
    if accept_terms and text is not None:
        reporter.say(text)
        reporter.say(f"Accepted: {models.accept_terms(request.model)}")
    stages: set[str] = set()

    def tell(stage: str, _share: float) -> None:
        if stage not in stages:
            stages.add(stage)
            reporter.stage(f"preparing the model: {stage}")

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
    for name, languages in known.items():
        chosen = [language for language in languages if not request.languages or language in request.languages]
        if chosen:
            suites.append(_limited(load_suite(name, languages=chosen), request.limit))
    return tuple(suites)


def _limited(suite: Suite, limit: int | None) -> Suite:
    """At most `limit` items per topic, the same ones in each language; controls are a topic of their own."""
    if limit is None:
        return suite
    ids = sorted({(item.topic, item.control, item.id) for item in suite.items})
    kept = {id_ for _, group in groupby(ids, key=lambda one: one[:2]) for _, _, id_ in list(group)[:limit]}
    return replace(suite, items=tuple(item for item in suite.items if item.id in kept))


def plan(request: Request, model: ModelRecord, suites: Sequence[Suite]) -> Manifest:
    """What the run will rest on; its id is the digest of that."""
    from audit.observe.shards import SCORING

    settings: dict[str, Any] = {"limit": request.limit, "scoring": SCORING, "command": request.command()}
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    languages = tuple(sorted({language for suite in suites for language in suite.languages}))
    manifest = Manifest(
        run_id="",
        model=model,
        suites=tuple(suite.record for suite in suites),
        languages=languages,
        settings=settings,
        versions=versions,
    )
    return replace(manifest, run_id=_digest(manifest)[:12])


def _digest(manifest: Manifest) -> str:
    """Digest of what decides the numbers: not of how the model was named or the command spelled."""
    content = as_dict(manifest)
    del content["model"]["ref"], content["settings"]["command"]
    return hashlib.sha256(canonical(content)).hexdigest()


def _merge(
    manifest: Manifest, suites: Sequence[Suite], shards: Sequence[Any], cache: ShardCache, noise_key: str
) -> Evidence:
    rows: dict[str, list[tuple[Any, ...]]] = {"observations": [], "exclusions": []}
    for shard in shards:
        kept = cache.read(shard.key)
        assert kept is not None, f"shard {shard.key} vanished from the cache while the run was going on"
        rows["observations"] += [(shard.suite, shard.language, *row) for row in kept["observations"]]
        rows["exclusions"] += [(shard.suite, shard.language, item, "observe", why) for item, why in kept["exclusions"]]
    quarantined = [
        (suite.record.name, item.language, item.id, "lint", item.quarantine)
        for suite in suites
        for item in suite.items
        if item.quarantine
    ]
    rows["exclusions"] += quarantined
    noise = cache.read(noise_key)
    assert noise is not None
    return Evidence(
        manifest=replace(manifest, noise_floor=NoiseFloor(**noise)),
        observations=pd.DataFrame(rows["observations"], columns=list(TABLES["observations"])),
        items=pd.DataFrame(
            [_item_row(suite, item) for suite in suites for item in suite.items], columns=list(TABLES["items"])
        ),
        exclusions=pd.DataFrame(rows["exclusions"], columns=list(TABLES["exclusions"])),
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


def _noise_key(manifest: Manifest) -> str:
    return hashlib.sha256(b"noise" + manifest.run_id.encode()).hexdigest()


def _damaged_evidence(folder: RunFolder) -> bool:
    """Whether evidence that is there cannot be read as it was written; then it is gathered again from the cache."""
    from audit.errors import RunError

    try:
        folder.read_evidence()
    except RunError:
        return True
    return False


def _log_into(folder: RunFolder, reporter: Reporter) -> None:
    log_to = getattr(reporter, "log_to", None)
    if log_to is not None:
        log_to(folder.path / "run.log")


# --- weigh, report ---------------------------------------------------------------------------


def weigh(folder: RunFolder, *, reporter: Reporter | None = None) -> tuple[Finding, ...]:
    """Findings from the evidence of a run, written to `findings.json`. Never imports torch."""
    (reporter or Silent()).stage("weighing the evidence")
    found = findings_of.weigh(folder.read_evidence())
    folder.write_result("findings.json", findings_of.to_json(found).encode())
    folder.seal()
    return found


def report(folder: RunFolder, *, reporter: Reporter | None = None) -> Path:
    """The PDF of a run that has been weighed; returns its path."""
    from reports import build_pdf

    (reporter or Silent()).stage("writing the report")
    evidence = folder.read_evidence()
    found = read_findings(folder)
    folder.unseal()
    build_pdf(
        folder.path / "report.pdf",
        evidence=evidence,
        findings=found,
        command=str(evidence.manifest.settings["command"]),
    )
    folder.seal()
    return folder.path / "report.pdf"


def read_findings(folder: RunFolder) -> tuple[Finding, ...]:
    """The findings of a run.

    Raises:
        UsageError: it has not been weighed yet.
    """
    file = folder.path / "findings.json"
    if not file.is_file():
        raise UsageError(f"{file}: not there; weigh the run first: plural-audit weigh {folder.path}")
    return findings_of.from_json(file.read_text(encoding="utf-8"))
