"""What a finding's sentence says, measure by measure: whole messages, for translators to see side by side.

A shape names the fields of the scope that are filled: "language topic". Every family of audit.findings has a subject.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.wording import N_

# What is spoken of, a heading: measure -> shape of scope -> message.
SUBJECTS: Mapping[str, Mapping[str, str]] = {
    "competence": {"language": N_("Reading in {language}")},
    "bits_per_byte": {"language": N_("Prediction of plain text in {language}")},
    "stereotype_effect": {
        "language": N_("Stereotyped answers in {language}"),
        "language topic": N_("Stereotyped answers on the axis {topic} in {language}"),
    },
    "control_effect": {"language": N_("Control pairs without social meaning in {language}")},
    "standardised_effect": {"topic": N_("Stereotyped answers on the axis {topic}, over the readable languages")},
    "causal_shared_token_score": {
        "language": N_("Imported sentence pairs in {language}"),
        "language topic": N_("Imported sentence pairs on the axis {topic} in {language}"),
    },
    "culture_knowledge": {
        "language": N_("Knowledge of cultural practices in {language}"),
        "culture": N_("Knowledge of cultural practices, {culture}, over the readable languages"),
    },
    "knowledge_gap": {
        "culture": N_(
            "Knowledge of cultural practices against the other cultures, {culture}, over the readable languages"
        ),
        "language culture": N_("Knowledge of cultural practices against the other cultures, {culture} in {language}"),
    },
    "knowledge_diversity": {
        "": N_("Spread of knowledge over cultures, over the readable languages"),
        "language": N_("Spread of knowledge over cultures in {language}"),
    },
    "content_tracking": {
        "language": N_("Agreement with plainly true against plainly false statements in {language}"),
    },
    "paraphrase_agreement": {"language": N_("Agreement of the answers to two wordings of a dilemma in {language}")},
    "values_lean": {
        "framework": N_("Agreement with statements, {framework}, over the readable languages"),
        "language framework": N_("Agreement with statements, {framework} in {language}"),
    },
    "dilemma_lean": {
        "framework": N_("Choices in dilemmas, {framework}, over the readable languages"),
        "language framework": N_("Choices in dilemmas, {framework} in {language}"),
    },
    "language_dependent_judgement": {"": N_("Dependence of choices in dilemmas on the language")},
    "language_shift": {
        "language other_language": N_(
            "Preference for individual rights in dilemmas, {language} against {other_language}"
        ),
    },
    "circuit_share": {
        "language": N_(
            "Share of the group's effect that is lost without the circuit chosen on other templates in {language}"
        ),
    },
    "circuit_sufficiency": {
        "language": N_("Share of the group's effect that the chosen circuit alone brings back in {language}"),
    },
    "circuit_strength": {
        "language": N_("Stereotyped answers by way of the chosen circuit in {language}"),
        "language topic": N_("Stereotyped answers by way of the chosen circuit on the axis {topic} in {language}"),
    },
    "circuit_controls": {
        "language": N_(
            "Share of the effect of swaps without social meaning that is lost without the same circuit in {language}"
        ),
    },
    "circuit_transfer": {
        "language other_language": N_(
            "Share of the group's effect that is lost without the circuit chosen in {language}, judged in "
            "{other_language}"
        ),
        "other_language": N_(
            "Share of the group's effect that is lost without the circuit chosen over the readable languages, judged "
            "in {other_language}"
        ),
    },
    "circuit_overlap": {
        # i18n: nodes are heads and MLPs, parts of the model
        "language other_language": N_("Overlap of the nodes that matter, {language} against {other_language}"),
    },
    "screening_error": {
        "language": N_("Agreement of the gradient estimate with exact patching of nodes in {language}"),
    },
    "representation_capacity": {
        "language": N_("What can be read about cultures inside the model (lens: {lens}) in {language}"),
        "culture": N_(
            "What can be read about cultures inside the model, {culture} (lens: {lens}), over the readable languages"
        ),
    },
    "representation_gap": {
        "culture": N_(
            "What can be read about a culture inside the model against the other cultures, {culture} (lens: {lens}), "
            "over the readable languages"
        ),
        "language culture": N_(
            "What can be read about a culture inside the model against the other cultures, {culture} (lens: {lens}) "
            "in {language}"
        ),
    },
    "pathway_capacity": {
        "language": N_("Effect of swapping a culture's name through the chosen circuit in {language}"),
        "culture": N_(
            "Effect of swapping a culture's name through the chosen circuit, {culture}, over the readable languages"
        ),
    },
    "pathway_gap": {
        "culture": N_(
            "Effect of swapping a culture's name through the chosen circuit, against the other cultures, {culture}, "
            "over the readable languages"
        ),
        "language culture": N_(
            "Effect of swapping a culture's name through the chosen circuit, against the other cultures, {culture} in "
            "{language}"
        ),
    },
    "representation_diversity": {
        "": N_("Spread of representation over cultures (lens: {lens}), over the readable languages"),
        "language": N_("Spread of representation over cultures (lens: {lens}) in {language}"),
    },
    "underrepresentation": {
        "culture": N_(
            "Representation in the second-lowest lens, against the other cultures, {culture}, over the readable "
            "languages"
        ),
        "language culture": N_(
            "Representation in the second-lowest lens, against the other cultures, {culture} in {language}"
        ),
    },
    "context_activation": {
        "culture": N_("Activity of a culture's latents on its own practices, {culture}, over the readable languages"),
        "language": N_("Activity of a culture's latents on its own practices in {language}"),
        "language culture": N_("Activity of a culture's latents on its own practices, {culture} in {language}"),
    },
    "framework_capacity": {
        "language": N_(
            "Telling endorsement of a framework from rejection inside the model (lens: {lens}) in {language}"
        ),
        "framework": N_(
            "Telling endorsement of a framework from rejection inside the model, {framework} (lens: {lens}), over the "
            "readable languages"
        ),
    },
    "framework_difference": {
        "framework other_framework": N_(
            "Telling endorsement from rejection inside the model, {framework} against {other_framework} (lens: "
            "{lens}), over the readable languages"
        ),
    },
    "steering_capacity": {
        "language": N_("Steering of dilemmas along a framework's direction in {language}"),
        "framework": N_("Steering of dilemmas along a framework's direction, {framework}, over the readable languages"),
    },
    "steering_difference": {
        "framework other_framework": N_(
            "Steering of dilemmas along frameworks' directions, {framework} against {other_framework}, over the "
            "readable languages"
        ),
    },
    "framework_balance": {
        "": N_("Evenness of the frameworks' representation (lens: {lens}), over the readable languages"),
        "language": N_("Evenness of the frameworks' representation (lens: {lens}) in {language}"),
    },
    "framework_conflict": {
        "": N_("Joint activity of the latents of a dilemma's two frameworks, over the readable languages"),
        "language": N_("Joint activity of the latents of a dilemma's two frameworks in {language}"),
    },
    "latent_effect": {
        "": N_("Effect of ablating the chosen latents, beyond random ones, over the readable languages"),
        "language": N_("Effect of ablating the chosen latents, beyond random ones in {language}"),
    },
}

# What was not found, and what cannot be said: two clauses.
_EFFECT_OF_GROUP = (
    N_("no evidence of an effect of the group on the answers"),
    N_("insufficient evidence to say whether there is an effect of the group on the answers"),
)
_FROM_OTHER_CULTURES = (
    N_("no evidence of a difference from the other cultures"),
    N_("insufficient evidence to say whether there is a difference from the other cultures"),
)
_UNEVENNESS = (
    N_("no evidence of unevenness beyond chance"),
    N_("insufficient evidence to say whether there is unevenness beyond chance"),
)
_AGREEMENT = (
    N_("no evidence of any agreement"),
    N_("insufficient evidence to say whether there is any agreement"),
)
_LEAN = (N_("no evidence of a lean"), N_("insufficient evidence to say whether there is a lean"))
_DIFFERENCE = (N_("no evidence of a difference"), N_("insufficient evidence to say whether there is a difference"))
_LARGER_SHARE = (
    N_("no evidence of a larger share than random circuits carry"),
    N_("insufficient evidence to say whether there is a larger share than random circuits carry"),
)
_MORE_THAN_CONTROL = (
    N_("no evidence of more than the control task gives"),
    N_("insufficient evidence to say whether there is more than the control task gives"),
)
EFFECTS: Mapping[str, tuple[str, str]] = {
    "bits_per_byte": (
        N_("no evidence of anything better than a blind guess of bytes"),
        N_("insufficient evidence to say whether there is anything better than a blind guess of bytes"),
    ),
    "stereotype_effect": _EFFECT_OF_GROUP,
    "control_effect": (
        N_("no evidence of an effect of the swap on the answers"),
        N_("insufficient evidence to say whether there is an effect of the swap on the answers"),
    ),
    "standardised_effect": _EFFECT_OF_GROUP,
    "causal_shared_token_score": (
        N_("no evidence of a difference between the groups"),
        N_("insufficient evidence to say whether there is a difference between the groups"),
    ),
    "culture_knowledge": (
        N_("no evidence of an effect of naming the culture"),
        N_("insufficient evidence to say whether there is an effect of naming the culture"),
    ),
    "knowledge_gap": _FROM_OTHER_CULTURES,
    "knowledge_diversity": _UNEVENNESS,
    "content_tracking": (
        N_("no evidence of more agreement with the true ones"),
        N_("insufficient evidence to say whether there is more agreement with the true ones"),
    ),
    "paraphrase_agreement": _AGREEMENT,
    "values_lean": _LEAN,
    "dilemma_lean": _LEAN,
    "language_dependent_judgement": (
        N_("no evidence of such a dependence"),
        N_("insufficient evidence to say whether there is such a dependence"),
    ),
    "language_shift": _DIFFERENCE,
    "circuit_share": _LARGER_SHARE,
    "circuit_sufficiency": _LARGER_SHARE,
    "circuit_strength": (
        N_("no evidence of an effect by way of the circuit"),
        N_("insufficient evidence to say whether there is an effect by way of the circuit"),
    ),
    "circuit_controls": (
        N_("no evidence of a difference from the stereotype items"),
        N_("insufficient evidence to say whether there is a difference from the stereotype items"),
    ),
    "circuit_transfer": _LARGER_SHARE,
    "circuit_overlap": (
        N_("no evidence of more overlap than the difference between heads and MLPs makes"),
        N_(
            "insufficient evidence to say whether there is more overlap than the difference between heads and MLPs "
            "makes"
        ),
    ),
    "screening_error": _AGREEMENT,
    "representation_capacity": _MORE_THAN_CONTROL,
    "representation_gap": _FROM_OTHER_CULTURES,
    "pathway_capacity": (
        N_("no evidence of an effect of the culture's name by this path"),
        N_("insufficient evidence to say whether there is an effect of the culture's name by this path"),
    ),
    "pathway_gap": _FROM_OTHER_CULTURES,
    "representation_diversity": _UNEVENNESS,
    "underrepresentation": (
        N_("no evidence of less than for the others in two lenses"),
        N_("insufficient evidence to say whether there is less than for the others in two lenses"),
    ),
    "context_activation": (
        N_("no evidence of more activity there than elsewhere"),
        N_("insufficient evidence to say whether there is more activity there than elsewhere"),
    ),
    "framework_capacity": _MORE_THAN_CONTROL,
    "framework_difference": _DIFFERENCE,
    "steering_capacity": (
        N_("no evidence of more than random directions do"),
        N_("insufficient evidence to say whether there is more than random directions do"),
    ),
    "steering_difference": _DIFFERENCE,
    "framework_balance": _UNEVENNESS,
    "framework_conflict": (
        N_("no evidence of more joint activity than with the frameworks dealt out at random"),
        N_(
            "insufficient evidence to say whether there is more joint activity than with the frameworks dealt out at "
            "random"
        ),
    ),
    "latent_effect": (
        N_("no evidence of an effect beyond that of random latents"),
        N_("insufficient evidence to say whether there is an effect beyond that of random latents"),
    ),
}


def _always(claim: str) -> tuple[str, str]:
    """A claim that is the same above and below the null."""
    return claim, claim


# What evidence shows: measure -> shape of scope without its language -> clauses for above and below the null.
# "In {language}, ..." or "Over the readable languages, ..." is said before them.
CLAIMS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "bits_per_byte": {
        "": (
            N_("the model predicts plain text worse than a blind guess of bytes"),
            N_("the model predicts plain text better than a blind guess of bytes"),
        ),
    },
    "stereotype_effect": {
        "": (
            N_("the model's text prediction ties the stereotyped answers to the groups that the stereotypes name"),
            N_(
                "the model's text prediction ties the stereotyped answers to the groups opposite to those the "
                "stereotypes name"
            ),
        ),
        "topic": (
            N_(
                "the model's text prediction on the axis {topic} ties the stereotyped answers to the groups that the "
                "stereotypes name"
            ),
            N_(
                "the model's text prediction on the axis {topic} ties the stereotyped answers to the groups opposite "
                "to those the stereotypes name"
            ),
        ),
    },
    "control_effect": {
        "": _always(
            N_("swaps without social meaning move the answers too, so the suite's form makes part of any effect")
        ),
    },
    "standardised_effect": {
        "topic": (
            N_(
                "the model's text prediction on the axis {topic} ties the stereotyped answers to the groups that the "
                "stereotypes name"
            ),
            N_(
                "the model's text prediction on the axis {topic} ties the stereotyped answers to the groups opposite "
                "to those the stereotypes name"
            ),
        ),
    },
    "causal_shared_token_score": {
        "": (
            N_("the shared ending of the imported pairs is likelier after the first sentence's group"),
            N_("the shared ending of the imported pairs is less likely after the first sentence's group"),
        ),
        "topic": (
            N_(
                "the shared ending of the imported pairs on the axis {topic} is likelier after the first sentence's "
                "group"
            ),
            N_(
                "the shared ending of the imported pairs on the axis {topic} is less likely after the first "
                "sentence's group"
            ),
        ),
    },
    "culture_knowledge": {
        "": (
            N_("naming a culture makes the model's prediction of its practices better than with the names shuffled"),
            N_("naming a culture makes the model's prediction of its practices worse than with the names shuffled"),
        ),
        "culture": (
            N_("naming {culture} makes the model's prediction of its practices better than with the names shuffled"),
            N_("naming {culture} makes the model's prediction of its practices worse than with the names shuffled"),
        ),
    },
    "knowledge_gap": {
        "culture": (
            N_("practices of {culture} are known better than the others' (knowledge lens only)"),
            N_("practices of {culture} are known less well than the others' (knowledge lens only)"),
        ),
    },
    "knowledge_diversity": {
        "": (
            N_("the model's knowledge of cultural practices is more evenly spread than chance would make it"),
            N_("the model's knowledge of cultural practices is less evenly spread than chance would make it"),
        ),
    },
    "content_tracking": {
        "": (
            N_("the model's text prediction agrees more with plainly true than with plainly false statements"),
            N_("the model's text prediction agrees less with plainly true than with plainly false statements"),
        ),
    },
    "paraphrase_agreement": {
        "": (
            N_("the two wordings of a dilemma get agreeing answers"),
            N_("the two wordings of a dilemma get opposite answers"),
        ),
    },
    "values_lean": {
        "framework": (
            N_(
                "the model's text prediction agrees more with the statements of {framework} (against their denials) "
                "than with those of the frameworks on average"
            ),
            N_(
                "the model's text prediction agrees less with the statements of {framework} (against their denials) "
                "than with those of the frameworks on average"
            ),
        ),
    },
    "dilemma_lean": {
        "framework": (
            N_("the model's text prediction in dilemmas leans toward the options of {framework}"),
            N_("the model's text prediction in dilemmas leans away from the options of {framework}"),
        ),
    },
    "circuit_share": {
        "": _always(
            N_(
                "the heads and MLPs chosen on other templates carry more of the group's effect on the answers than "
                "random ones of the same make-up"
            )
        ),
    },
    "circuit_sufficiency": {
        "": _always(
            N_(
                "the heads and MLPs chosen on other templates alone bring back more of the group's effect on the "
                "answers than random ones of the same make-up"
            )
        ),
    },
    "circuit_strength": {
        "": (
            N_(
                "what passes through the chosen circuit ties the stereotyped answers to the groups that the "
                "stereotypes name"
            ),
            N_(
                "what passes through the chosen circuit ties the stereotyped answers to the groups opposite to those "
                "the stereotypes name"
            ),
        ),
        "topic": (
            N_(
                "what passes through the chosen circuit on the axis {topic} ties the stereotyped answers to the groups "
                "that the stereotypes name"
            ),
            N_(
                "what passes through the chosen circuit on the axis {topic} ties the stereotyped answers to the groups "
                "opposite to those the stereotypes name"
            ),
        ),
    },
    "circuit_controls": {
        "": (
            N_(
                "the same circuit carries more of the effect of swaps without social meaning than of the effect of the "
                "groups"
            ),
            N_(
                "the same circuit carries less of the effect of swaps without social meaning than of the effect of the "
                "groups"
            ),
        ),
    },
    "screening_error": {
        "": (
            N_("the gradient estimate ranks randomly drawn heads and MLPs in line with exact patching"),
            N_("the gradient estimate ranks randomly drawn heads and MLPs against exact patching"),
        ),
    },
    "representation_capacity": {
        "": (
            N_("more about cultures can be read inside the model (lens: {lens}) than shuffled labels give"),
            N_("less about cultures can be read inside the model (lens: {lens}) than shuffled labels give"),
        ),
        "culture": (
            N_("more about {culture} can be read inside the model (lens: {lens}) than shuffled labels give"),
            N_("less about {culture} can be read inside the model (lens: {lens}) than shuffled labels give"),
        ),
    },
    "representation_gap": {
        "culture": (
            N_("more about {culture} can be read inside the model than about the others (lens: {lens})"),
            N_("less about {culture} can be read inside the model than about the others (lens: {lens})"),
        ),
    },
    "pathway_capacity": {
        "": (
            N_("the chosen circuit moves the answers with the name of cultures when it is swapped for another"),
            N_("the chosen circuit moves the answers against the name of cultures when it is swapped for another"),
        ),
        "culture": (
            N_("the chosen circuit moves the answers with the name of {culture} when it is swapped for another"),
            N_("the chosen circuit moves the answers against the name of {culture} when it is swapped for another"),
        ),
    },
    "pathway_gap": {
        "culture": (
            N_("the chosen circuit carries more of the name of {culture} than of the others' names"),
            N_("the chosen circuit carries less of the name of {culture} than of the others' names"),
        ),
    },
    "representation_diversity": {
        "": _always(N_("representation is less evenly spread over cultures than chance would make it (lens: {lens})")),
    },
    "underrepresentation": {
        "culture": _always(
            # i18n: {lowest} is a list of two lenses
            N_("{culture} is underrepresented: below the other cultures in two lenses at least ({lowest})")
        ),
    },
    "context_activation": {
        "": (
            N_("the latents chosen for a culture are more active on texts about its own practices than on others"),
            N_("the latents chosen for a culture are less active on its own practices than elsewhere"),
        ),
        "culture": (
            N_("the latents chosen for {culture} are more active on texts about its own practices than on others"),
            N_("the latents chosen for {culture} are less active on its own practices than elsewhere"),
        ),
    },
    "framework_capacity": {
        "": (
            N_("endorsing the frameworks can be told from rejecting them better than chance (lens: {lens})"),
            N_("endorsing the frameworks can be told from rejecting them worse than chance (lens: {lens})"),
        ),
        "framework": (
            N_("endorsing {framework} can be told from rejecting it better than chance (lens: {lens})"),
            N_("endorsing {framework} can be told from rejecting it worse than chance (lens: {lens})"),
        ),
    },
    "framework_difference": {
        "framework other_framework": (
            N_(
                "endorsement can be told from rejection better for {framework} than for {other_framework} (lens: "
                "{lens})"
            ),
            N_(
                "endorsement can be told from rejection less well for {framework} than for {other_framework} (lens: "
                "{lens})"
            ),
        ),
    },
    "steering_capacity": {
        "": (
            N_("steering along the direction of the frameworks moves dilemmas toward its option beyond random ones"),
            N_("steering along the direction of the frameworks moves dilemmas away from its option beyond random ones"),
        ),
        "framework": (
            N_("steering along the direction of {framework} moves dilemmas toward its option beyond random ones"),
            N_("steering along the direction of {framework} moves dilemmas away from its option beyond random ones"),
        ),
    },
    "steering_difference": {
        "framework other_framework": (
            N_("steering moves dilemmas further for {framework} than for {other_framework}"),
            N_("steering moves dilemmas less far for {framework} than for {other_framework}"),
        ),
    },
    "framework_balance": {
        "": _always(N_("the frameworks are represented less evenly than chance would make it (lens: {lens})")),
    },
    "framework_conflict": {
        "": (
            N_(
                "the latents of a dilemma's two frameworks are highly active on it together more often than with the "
                "frameworks dealt out at random"
            ),
            N_(
                "the latents of a dilemma's two frameworks are highly active on it together less often than with the "
                "frameworks dealt out at random"
            ),
        ),
    },
    "latent_effect": {
        "": (
            N_("ablating the chosen latents moves the answers the way they should, beyond random latents"),
            N_("ablating the chosen latents moves the answers against the way they should, beyond random latents"),
        ),
    },
}
# The same of measures that name their languages themselves, or speak of no place: measure -> shape of scope.
CLAIMS_ALONE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "language_dependent_judgement": {
        "": _always(N_("The model's choices in dilemmas depend on the language they are asked in")),
    },
    "language_shift": {
        "language other_language": (
            N_(
                "In dilemmas the model's text prediction favours individual rights more in {language} than in "
                "{other_language}"
            ),
            N_(
                "In dilemmas the model's text prediction favours individual rights less in {language} than in "
                "{other_language}"
            ),
        ),
    },
    "circuit_transfer": {
        "language other_language": _always(
            N_(
                "The heads and MLPs chosen in {language} carry more of the group's effect on the answers in "
                "{other_language} than random circuits that are no smaller"
            )
        ),
        "other_language": _always(
            N_(
                "The heads and MLPs chosen over the readable languages carry more of the group's effect on the answers "
                "in {other_language} than random circuits that are no smaller"
            )
        ),
    },
    "circuit_overlap": {
        "language other_language": (
            N_(
                "The same heads and MLPs matter in {language} and {other_language} more than chance would make it, "
                "also on different templates"
            ),
            N_(
                "The same heads and MLPs matter in {language} and {other_language} less than chance would make it, "
                "also on different templates"
            ),
        ),
    },
}

# What the null stands for, where it is not simply chance.
BY_CHANCE = N_("against {null} expected by chance")
AGAINST: Mapping[str, str] = {
    "bits_per_byte": N_("against {null} of a blind guess"),
    "culture_knowledge": N_("against {null} with the names shuffled"),
    **dict.fromkeys(
        ("circuit_share", "circuit_sufficiency", "circuit_transfer"), N_("against {null} for random circuits")
    ),
    "circuit_controls": N_("against {null} of the stereotype items' effect"),
    "circuit_overlap": N_("against {null} from heads and MLPs being different"),
    **dict.fromkeys(
        ("representation_diversity", "framework_balance"), N_("against {null} if all were represented alike")
    ),
    "framework_conflict": N_("against {null} with the frameworks dealt out at random"),
}
