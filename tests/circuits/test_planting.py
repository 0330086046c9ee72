"""What is planted is there, through the component named, as strongly as asked, and gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from audit.circuits.patching import Batch, effects_of
from audit.circuits.plain import plain_margin
from audit.circuits.planting import Case, Plan, legibility, planted, survey, total_effects
from audit.errors import ModelError
from audit.models import AuditedModel
from audit.records import MLP
from circuits.shapes import ONE_TOKEN, SEVERAL, made, one_node

AXES = ("gender", "age")


def cases(n: int = 6) -> list[Case]:
    """`n` templates an axis in two languages, of unequal slots and answers of several tokens, and a control each."""
    found = []
    for language in ("en", "sw"):
        for topic in AXES:
            for number in range(n):
                name = f"{topic}-{number}"
                slots = (1, 1) if number % 3 else (2, 1)
                pair = made(f"{language}/{name}", 4, slots, 3, SEVERAL if number % 2 else ONE_TOKEN)
                found.append(Case(language=language, topic=topic, template=name, control=False, pair=pair))
        pair = made(f"{language}/control", 4, (1, 1), 3)
        found.append(Case(language=language, topic="", template="control", control=True, pair=pair))
    return found


def plan(layer: int = 2, head: int = 2, nats: float = 0.5, **changed: object) -> Plan:
    return Plan(**{"layer": layer, "head": head, "topics": AXES, "languages": ("en", "sw"), "nats": nats} | changed)


def for_node(head: int) -> list[Case]:
    """As many cases as the component of a tiny model can tell apart: a head has eight dimensions."""
    return cases(6 if head == MLP else 1)


def chosen(of: Plan, some: Sequence[Case]) -> np.ndarray:
    return np.array([of.chooses(case) for case in some])


NODES = [("llama", 2, 2), ("llama", 2, MLP), ("qwen2", 1, MLP), ("gpt2", 1, 0), ("gemma3", 2, MLP)]


@pytest.mark.parametrize(("name", "layer", "head"), NODES)
def test_the_mean_effect_rises_by_what_was_asked(models: Callable, name: str, layer: int, head: int):
    known, of = survey(models(name), for_node(head)), plan(layer, head)
    with planted(known, of) as there:
        rise = there.changes[chosen(of, known.cases)].mean()
        assert rise == pytest.approx(0.5, rel=0.011)  # REACHED: within a hundredth
        assert there.after == pytest.approx(total_effects(known.replay, known.cases))


def test_effects_of_a_plant_are_those_of_plain_forwards(llama: AuditedModel):
    known = survey(llama, cases(1))
    with planted(known, plan()) as there:
        plain = [plain_margin(llama, case.pair) - plain_margin(llama, case.pair.turned()) for case in known.cases]
        assert there.after == pytest.approx(np.array(plain), abs=1e-4)


@pytest.mark.parametrize(("name", "layer", "head"), NODES)
def test_afterwards_the_model_is_the_same_to_the_bit(models: Callable, name: str, layer: int, head: int):
    audited = models(name)
    before = {key: (value.data_ptr(), value.clone()) for key, value in audited.model.state_dict().items()}
    known = survey(audited, for_node(head))
    with planted(known, plan(layer, head)):
        moved = [key for key, value in audited.model.state_dict().items() if value.data_ptr() != before[key][0]]
        assert moved
        assert all(f".{layer}." in key for key in moved)
    for key, value in audited.model.state_dict().items():
        assert value.data_ptr() == before[key][0]
        assert torch.equal(value, before[key][1])


def test_a_plant_that_fails_midway_leaves_the_model_as_it_was(llama: AuditedModel):
    known = survey(llama, cases(1))
    before = {key: value.clone() for key, value in llama.model.state_dict().items()}
    with pytest.raises(ZeroDivisionError), planted(known, plan()):
        raise ZeroDivisionError
    assert all(torch.equal(value, before[key]) for key, value in llama.model.state_dict().items())


def test_only_the_heads_own_columns_change(llama: AuditedModel):
    known, adapter = survey(llama, cases(1)), llama.adapter
    before = adapter.attention_outputs[2].weight.clone()
    with planted(known, plan(2, 2)):
        changed = (adapter.attention_outputs[2].weight != before).any(dim=0).nonzero()[:, 0].tolist()
    assert changed
    assert {column // adapter.head_dim for column in changed} == {2}


def test_an_mlp_has_one_neuron_overwritten_for_each_axis_and_language(llama: AuditedModel):
    known, mlp = survey(llama, cases(3)), llama.adapter.mlps[1]
    before = mlp.down_proj.weight.clone()
    with planted(known, plan(1, MLP)):
        changed = (mlp.down_proj.weight != before).any(dim=0).sum()
    assert int(changed) == 4  # two axes in two languages


def test_the_planted_component_carries_the_planted_effect(llama: AuditedModel):
    """Patched alone, it loses about what was planted: here it is the only thing that changed."""
    known, of = survey(llama, cases()), plan(2, MLP, nats=1.0)
    pairs = [case.pair for case in known.cases if of.chooses(case)]
    node = one_node(llama, 2, llama.adapter.n_heads)

    def carried() -> float:
        return float(effects_of(Batch.of(known.replay, pairs), [node]).mean())

    before = carried()
    with planted(known, of):
        assert carried() - before == pytest.approx(1.0, abs=0.1)


def test_a_sham_raises_half_of_the_templates_and_lowers_the_others(llama: AuditedModel):
    turned = ("gender-0", "gender-2", "gender-4", "age-0", "age-2", "age-4")
    known, of = survey(llama, cases()), plan(2, MLP, nats=1.0, turned=turned)
    with planted(known, of) as there:
        signs = np.array([of.sign(case) for case in known.cases])
        mine = chosen(of, known.cases)
        assert (signs * there.changes)[mine].mean() == pytest.approx(1.0, rel=0.011)
        assert there.changes[mine & (signs > 0)].mean() > 0.5
        assert there.changes[mine & (signs < 0)].mean() < -0.5


def test_other_axes_languages_and_controls_move_less(llama: AuditedModel):
    known, of = survey(llama, cases()), plan(2, MLP, nats=1.0, topics=("gender",), languages=("en",))
    with planted(known, of) as there:
        mine = chosen(of, known.cases)
        assert np.abs(there.changes[~mine]).mean() < 0.5 * np.abs(there.changes[mine]).mean()


def test_a_plant_is_another_model_to_the_cache(llama: AuditedModel):
    known = survey(llama, cases(1))
    with planted(known, plan()) as one:
        first = one.audited.record.weights_sha256
    with planted(known, plan(nats=0.6)) as other:
        second = other.audited.record.weights_sha256
    assert len({first, second, llama.record.weights_sha256}) == 3


def test_nothing_planted_changes_nothing(llama: AuditedModel):
    known = survey(llama, cases(3))
    with planted(known, plan(nats=0.0)) as there:
        assert there.audited is llama
        assert not there.changes.any()


def test_a_component_that_reads_both_groups_alike_tells_nothing_apart(llama: AuditedModel):
    """Length of the difference over length of what is read: 0 where a pair is read alike, and never negative."""
    known = survey(llama, cases(3))
    told = legibility(known, plan())
    assert told > 0
    reads = known.heads[2]
    alike = torch.stack([reads[0], reads[0]])
    same = type(known)(known.audited, known.replay, known.cases, known.effects, (alike,) * 3, known.mlps)
    assert legibility(same, plan()) == 0.0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"topics": ("religion",)}, "head 2.2: no case of religion in en, sw to plant"),
        ({"nats": 1e6}, "cannot be raised by 1e\\+06 nats"),
    ],
)
def test_what_cannot_be_planted_is_refused_by_name(llama: AuditedModel, changed: dict, words: str):
    known = survey(llama, cases(3))
    with pytest.raises(ModelError, match=words), planted(known, plan(**changed)):
        pass


def test_an_mlp_without_a_gate_is_refused_with_the_way_out(models: Callable):
    known = survey(models("gpt2"), cases(3))
    with (
        pytest.raises(ModelError, match="MLP 1: GPT2MLP is no gated MLP; plant a head instead"),
        planted(known, plan(1, MLP)),
    ):
        pass
