"""An SAE is what its file says, reads where it says, and is refused where it does not fit."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from real import load_installed

from audit.errors import DictionaryError
from audit.features import cards, saes
from audit.features.saes import Dictionary, layer_of, load
from features.small import HOOK, WIDTH, small_sae


def test_latents_and_their_directions_are_those_of_the_file(tmp_path, audited):
    """JumpReLU by hand: what exceeds its threshold keeps its value, all else is zero."""
    weights = small_sae(tmp_path / "sae", hook=HOOK)
    dictionary = load(tmp_path / "sae", model=audited)
    resid = torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(1))
    before = (resid - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    by_hand = torch.where(before > weights["threshold"], before.relu(), 0.0)
    assert 0 < (by_hand > 0).double().mean() < 1
    torch.testing.assert_close(dictionary.encode(resid), by_hand)
    torch.testing.assert_close(dictionary.decode(by_hand), by_hand @ weights["W_dec"] + weights["b_dec"])
    torch.testing.assert_close(dictionary.directions, weights["W_dec"])
    assert (dictionary.layer, dictionary.n_latents, dictionary.width) == (1, len(weights["b_enc"]), WIDTH)
    assert (dictionary.name, dictionary.source, dictionary.architecture) == ("sae", "folder", "jumprelu")


def test_what_the_latents_leave_unsaid_is_kept(tmp_path, audited):
    small_sae(tmp_path / "sae", hook=HOOK)
    dictionary = load(tmp_path / "sae", model=audited)
    resid = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(dictionary.decode(dictionary.encode(resid)) + dictionary.error(resid), resid)


def test_float16_on_disk_is_read_as_float32(tmp_path, audited):
    weights = small_sae(tmp_path / "sae", hook=HOOK, half=True)
    dictionary = load(tmp_path / "sae", model=audited)
    assert dictionary.directions.dtype == torch.float32
    torch.testing.assert_close(dictionary.directions, weights["W_dec"].half().float(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hook": "blocks.1.hook_mlp_out"}, "not the residual stream after a layer"),
        ({"hook": "blocks.7.hook_resid_post"}, "reads layer 7, m has layers 0 to 2"),
        ({"width": 16}, f"reads 16 values, m has {WIDTH}"),
        ({"normalize_activations": "layer_norm"}, "no fixed directions"),
        ({"metadata": {"model_from_pretrained_kwargs": {"center_writing_weights": True}}}, "had centred"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_by_name(tmp_path, audited, change, said):
    small_sae(tmp_path / "sae", **{"hook": HOOK, **change})
    with pytest.raises(DictionaryError, match=said) as refused:
        load(tmp_path / "sae", model=audited)
    assert str(refused.value).startswith("sae: ")


def test_pickled_weights_are_refused_unread(tmp_path, audited):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "ae.pt").write_bytes(b"whatever this would do")
    with pytest.raises(DictionaryError, match=r"ae\.pt is pickled"):
        load(tmp_path / "old", model=audited)
    with pytest.raises(DictionaryError, match="weights are pickled"):
        load("gpt2-small-hook-z-kk/blocks.0.hook_z", model=audited)


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("nowhere", "no such SAE"),
        ("nowhere/at-all", "no such SAE"),
        ("gemma-scope-2-270m-pt-res/layer_99", "has no layer_99"),
        ("bundled", "no SAE comes with this package for m"),
    ],
)
def test_what_is_not_there_is_said_with_a_way_out(audited, ref, said):
    with pytest.raises(DictionaryError, match=said):
        load(ref, model=audited)


def test_a_damaged_folder_is_refused_in_one_line(tmp_path, audited):
    small_sae(tmp_path / "sae", hook=HOOK)
    (tmp_path / "sae" / "sae_weights.safetensors").write_bytes(b"cut off")
    with pytest.raises(DictionaryError, match="sae-lens cannot load it") as refused:
        load(tmp_path / "sae", model=audited)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("blocks.0.hook_resid_post", 0),
        ("blocks.12.hook_resid_post", 12),
        ("blocks.12.hook_resid_pre", 11),  # before layer 12 is after layer 11
        ("model.layers.12.output", 12),
        ("model.layers.12", 12),
        ("transformer.h.3", 3),
    ],
)
def test_hook_names_become_layers(name, layer):
    assert layer_of(name, where="x") == layer


@pytest.mark.parametrize("name", ["", "blocks.0.hook_resid_pre", "blocks.3.hook_resid_mid", "blocks.3.attn.hook_z"])
def test_other_places_are_refused(name):
    with pytest.raises(DictionaryError, match="x: reads"):
        layer_of(name, where="x")


def test_the_digest_tells_weights_apart_and_nothing_else(tmp_path, audited):
    small_sae(tmp_path / "one", hook=HOOK)
    small_sae(tmp_path / "same", hook=HOOK)
    small_sae(tmp_path / "other", hook=HOOK, seed=1)
    one, same, other = (load(tmp_path / name, model=audited) for name in ("one", "same", "other"))
    assert one.digest == same.digest != other.digest


def test_gemma_scope_is_found_in_the_registry_and_its_files_are_read_as_sae_lens_does(tmp_path, audited, monkeypatch):
    """The release's own layout, its hub replaced by a folder: names, shapes and hook as Google publishes them."""
    from safetensors.torch import save_file

    release, sae_id = "gemma-scope-2-270m-pt-res", "layer_12_width_16k_l0_medium"
    assert (release, sae_id) in saes.registered("gemma-3-270m")
    assert not [one for one, _ in saes.registered("gemma-3-270m") if "mlp" in one or "transcoder" in one]

    weights = small_sae(tmp_path / "x", hook=HOOK)
    published = {"w_enc": "W_enc", "w_dec": "W_dec", "b_enc": "b_enc", "b_dec": "b_dec", "threshold": "threshold"}
    folder = tmp_path / "hub" / "resid_post" / sae_id
    folder.mkdir(parents=True)
    save_file({name: weights[ours].contiguous() for name, ours in published.items()}, folder / "params.safetensors")
    config = {"architecture": "jump_relu", "model_name": "gemma-v3-270m", "hf_hook_point_in": "model.layers.12.output"}
    (folder / "config.json").write_text(json.dumps(config))

    def from_folder(repo_id, filename, subfolder=None, **_):
        assert repo_id == "google/gemma-scope-2-270m-pt"
        return str(tmp_path / "hub" / (f"{subfolder}/{filename}" if subfolder else filename))

    from sae_lens.loading import pretrained_sae_loaders as loaders

    monkeypatch.setattr(loaders, "hf_hub_download", from_folder)
    shapes = {name: tuple(weights[ours].shape) for name, ours in published.items()}
    monkeypatch.setattr(loaders, "get_safetensors_tensor_shapes", lambda *_: shapes)
    # The tiny model has no twelfth layer, so the layer is what it is refused for; with one, it is read.
    with pytest.raises(DictionaryError, match="reads layer 12"):
        load(f"{release}/{sae_id}", model=audited)
    deep = dataclasses.replace(audited, adapter=dataclasses.replace(audited.adapter, layers=audited.adapter.layers * 5))
    dictionary = load(f"{release}/{sae_id}", model=deep)
    assert isinstance(dictionary, Dictionary)
    assert (dictionary.layer, dictionary.source, dictionary.trained_on) == (12, "registry", "google/gemma-3-270m")
    torch.testing.assert_close(dictionary.directions, weights["W_dec"])


def test_a_hub_that_does_not_answer_is_one_line(audited, monkeypatch):
    from sae_lens.loading import pretrained_sae_loaders as loaders

    def refuse(*_, **__):
        raise OSError("no route\nto the hub")

    monkeypatch.setattr(loaders, "hf_hub_download", refuse)
    with pytest.raises(DictionaryError, match="cannot fetch or load it") as refused:
        load("gemma-scope-2-270m-pt-res/layer_12_width_16k_l0_medium", model=audited)
    assert "\n" not in str(refused.value)


# --- the bundled one -------------------------------------------------------------------------


def bundled():
    (folder,) = saes.bundled_folders()
    return folder


def test_the_bundled_sae_is_small_and_says_what_it_was_made_of():
    folder = bundled()
    recipe = saes.read_json(folder / "recipe.json")
    assert sum(file.stat().st_size for file in folder.iterdir()) < 15_000_000
    assert recipe["recipe"]["n_latents"] >= 4096
    assert len(recipe["texts"]) == 25
    assert all(len(one["sha256"]) == 64 for one in recipe["texts"].values())
    notice = (folder / "NOTICE").read_text(encoding="utf-8")
    assert "Gemma is provided under and subject to the Gemma Terms of Use" in notice
    assert all(source in notice for source in ("NTREX", "TICO-19", "XQuAD", "CC BY-SA 4.0", "CC BY 4.0"))


def test_the_bundled_card_keeps_its_bars_and_flags_what_does_not():
    """Loss recovered 85 % on average, dead at most 10 %, no suite language below 75 % without a flag."""
    card = cards.read_card(bundled())
    assert card.rows["loss_recovered"].mean() >= 0.85
    assert (card.rows["dead_share"] <= 0.10).all()
    recovered = card.rows.set_index("language")["loss_recovered"]
    for language in ("en", "es", "fr", "ar", "hi", "zh", "sw", "id"):
        assert recovered[language] >= 0.75 or any(flag.startswith(f"{language}:") for flag in card.flags)


def test_the_documentation_shows_the_card_as_it_is():
    page = (Path(__file__).parents[2] / "docs" / "saes.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- card -->")[2].partition("<!-- /card -->")[0].strip()
    assert shown == cards.markdown(cards.read_card(bundled()))


@pytest.mark.model
def test_the_bundled_sae_is_the_one_of_its_card_and_reads_gemma():
    gemma = load_installed("gemma-3-270m", accept_terms=True)
    dictionary = load("bundled", model=gemma)
    card = cards.read_card(bundled())
    assert (dictionary.digest, dictionary.name) == (card.digest, card.rows["sae"].iloc[0])
    english = judge_few(dictionary, gemma)
    assert english["loss_recovered"] > 0.8
    assert english["l0"] == pytest.approx(card.rows.set_index("language").loc["en", "l0"], rel=0.5)


def judge_few(dictionary, model):
    texts = {"en": ["The council met on Tuesday to decide where the new school should be built."]}
    return cards.judge(dictionary, model, texts).iloc[0]
