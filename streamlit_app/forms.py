"""The desk's own small HTML forms: sign in, sign out, set up, join, new password. They work without JavaScript."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from streamlit_app import style
from streamlit_app.texts import LANGUAGES, direction, own_name

STYLE = Markup("<style>{}</style>").format(Markup(style.FORMS))  # noqa: S704 - a constant of ours
_DIGEST = base64.b64encode(hashlib.sha256(style.FORMS.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One line to fill in."""

    name: str
    label: str
    kind: str = "text"  # of the input: text | password
    autocomplete: str = "off"
    hint: str = ""
    value: str = ""  # as it was typed before an error; never that of a password
    most: int = 200  # characters
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Form:
    """One page with one form. Texts are translated already."""

    title: str
    intro: str
    fields: tuple[Field, ...]
    button: str
    hidden: Mapping[str, str]
    error: str = ""
    english_error: str = ""  # the library's own line, for what we have no words of our own
    links: tuple[tuple[str, str], ...] = ()  # (address, label)


def page(form: Form, *, language: str, here: Callable[[str], str]) -> str:
    """The whole page; `here` gives its own address in another language."""
    hidden = Markup("").join(
        Markup('<input type="hidden" name="{}" value="{}">').format(name, value) for name, value in form.hidden.items()
    )
    fields = Markup("").join(_field(one) for one in form.fields)
    others = Markup("").join(
        Markup('<a href="{}" lang="{}" hreflang="{}" dir="{}">{}</a> ').format(
            here(code), code, code, direction(code), own_name(code)
        )
        for code in LANGUAGES
        if code != language
    )
    links = Markup("").join(Markup('<p><a href="{}">{}</a></p>').format(*link) for link in form.links)
    body = Markup(
        "<main><h1>{title}</h1>{error}<p>{intro}</p>"
        '<form method="post">{hidden}{fields}<button type="submit">{button}</button></form>{links}</main>'
        "<nav>{others}</nav>"
    ).format(
        title=form.title,
        error=_error(form),
        intro=form.intro,
        hidden=hidden,
        fields=fields,
        button=form.button,
        links=links,
        others=others,
    )
    return _document(form.title, body, language=language)


def message(title: str, text: str, *, language: str, link: tuple[str, str]) -> str:
    """A page that says one thing and leads on."""
    body = Markup('<main><h1>{}</h1><p>{}</p><p><a href="{}">{}</a></p></main>').format(title, text, *link)
    return _document(title, body, language=language)


def _document(title: str, body: Markup, *, language: str) -> str:
    return str(
        Markup(
            '<!doctype html><html lang="{language}" dir="{way}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title} · plural-audit</title>'
            "{style}</head><body>{body}</body></html>"
        ).format(language=language, way=direction(language), title=title, style=STYLE, body=body)
    )


def _error(form: Form) -> Markup:
    if not form.error:
        return Markup("")
    detail = Markup(' <span lang="en" dir="ltr">{}</span>').format(form.english_error) if form.english_error else ""
    return Markup('<p class="error" role="alert" id="error">{}{}</p>').format(form.error, detail)


def _field(one: Field) -> Markup:
    hint = Markup('<p class="hint" id="{0}-hint">{1}</p>').format(one.name, one.hint) if one.hint else Markup("")
    described = Markup(' aria-describedby="{}-hint"').format(one.name) if one.hint else Markup("")
    return Markup(
        '<label for="{name}">{label}</label><input id="{name}" name="{name}" type="{kind}" maxlength="{most}" '
        'dir="auto" autocomplete="{autocomplete}" autocapitalize="none" spellcheck="false" value="{value}"'
        "{required}{described}>{hint}"
    ).format(
        name=one.name,
        label=one.label,
        kind=one.kind,
        most=one.most,
        autocomplete=one.autocomplete,
        value="" if one.kind == "password" else one.value,
        required=Markup(" required") if one.required else Markup(""),
        described=described,
        hint=hint,
    )
