# ruff: noqa: E501 - lines of CSS
"""Colours and shapes of our own HTML, in forms and pages: right in light and dark, left to right and right to left."""

# Verdicts in Okabe and Ito's colours, as in the report; 3:1 at least on both grounds, and never without a sign and a word.
COLOURS = """
.desk-evidence { --mark: #D55E00; } .desk-no-evidence { --mark: #2A83BF; }
.desk-insufficient { --mark: #7B838D; } .desk-not-interpretable { --mark: #8D939B; }
.desk-moved { --mark: #B4528F; } .desk-unmoved { --mark: #7B838D; }
.desk-open { --mark: #B4528F; } .desk-plain { --mark: #2A83BF; }
"""

PAGES = (
    COLOURS
    + """
.stMainBlockContainer { max-inline-size: 62rem; padding-block-start: 4rem; }
[data-testid=stHeading], [data-testid=stMarkdownContainer], [data-testid=stText] { inline-size: 100%; text-align: start; }
[data-testid=stVegaLiteChart], [data-testid=stDataFrame], pre, code { direction: ltr; }
.desk-text { margin-block: 0 .6rem; max-inline-size: 46rem; } .desk-quiet { margin-block: 0 .6rem; font-size: .9em; max-inline-size: 46rem; }
.desk-lead { font-size: 1.15em; line-height: 1.5; margin-block: 0 .8rem; max-inline-size: 46rem; }
.desk-words { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.7; text-align: start; max-inline-size: 46rem; }
.desk-prompt { border-inline-start: .25rem solid color-mix(in srgb, currentColor 35%, transparent);
  padding-inline-start: .8rem; margin-block: .3rem .8rem; }
.desk-prompt p { margin-block: .15rem; line-height: 1.7; overflow-wrap: anywhere; }
.desk-label { font-size: .85em; opacity: .85; } mark.desk-slot { background: color-mix(in srgb, #E69F00 35%, transparent);
  color: inherit; border-radius: .2rem; padding-inline: .15rem; }
.desk-verdict { display: inline-block; border: 1px solid var(--mark); border-inline-start: .4rem solid var(--mark);
  border-radius: .3rem; padding: .1rem .6rem; font-weight: 600; }
.desk-badge { display: inline-block; border: 1px solid currentColor; border-radius: .3rem; padding: 0 .5rem; font-size: .85em; }
.desk-facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0 0 .8rem; }
.desk-facts dt { font-weight: 600; margin: 0; } .desk-facts dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { .desk-facts { grid-template-columns: 1fr; } .desk-facts dd { margin-block-end: .4rem; } }
.desk-list { margin: 0 0 .8rem; padding-inline-start: 1.4rem; max-inline-size: 46rem; } .desk-list li { margin-block: .2rem; }
.desk-scroll { overflow-x: auto; } .desk-scroll:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
.desk-table { border-collapse: collapse; inline-size: 100%; margin-block: .4rem .8rem; }
.desk-table caption, .desk-bars caption { text-align: start; font-weight: 600; padding-block: .3rem; }
.desk-table th, .desk-table td { border-block-end: 1px solid color-mix(in srgb, currentColor 25%, transparent);
  padding: .4rem .6rem; text-align: start; vertical-align: top; }
.desk-table th[scope=row] { font-weight: 400; } .desk-table thead th { font-weight: 600; }
.desk-bars { border-collapse: collapse; inline-size: 100%; margin-block: .4rem 1rem; }
.desk-bars th { text-align: start; font-weight: 400; padding: .25rem 0; inline-size: 45%; }
.desk-bars .desk-count { text-align: end; padding-inline: .8rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.desk-bars .desk-barcell { inline-size: 45%; } .desk-bar { display: block; block-size: .9rem; background: var(--mark); border-radius: .15rem; }
[data-testid=stMain] :is(textarea, input[type=text]) { unicode-bidi: plaintext; text-align: start; }
.desk-figure svg { max-inline-size: 100%; block-size: auto; background: #fff; }
html[dir=rtl] [data-testid=stSidebar][data-collapsed=true] { display: none; }
html[dir=rtl] [data-testid=stExpandSidebarButton], html[dir=rtl] [data-testid=stSidebarCollapseButton] { transform: scaleX(-1); }
html[dir=rtl] [data-testid=stExpander] summary > span > span:first-child { transform: scaleX(-1); }
html[dir=rtl] [data-testid=stToolbar] :has(> [data-testid=stMainMenu]) { margin-left: 0; margin-right: auto; }
[data-testid=stMain] [data-testid=stPageLink] p { text-decoration: underline; }
.desk-links a { margin-inline-end: 1rem; color: inherit; }
.stMain:focus-visible { outline: 2px solid currentColor; outline-offset: -2px; }
"""
)

FORMS = """
:root { color-scheme: light dark; --ink: #1B2026; --ground: #fff; --line: #6A727C; --blue: #00598C; --red: #A3260F; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #F1F3F5; --ground: #14181D; --line: #8B95A1; --blue: #6CB8E6; --red: #FFA08F; } }
body { font: 1.06rem/1.55 system-ui, "Noto Sans", sans-serif; color: var(--ink); background: var(--ground);
  margin: 0 auto; padding: 2rem 1.2rem; max-width: 30rem; }
h1 { font-size: 1.5rem; line-height: 1.3; } label { display: block; font-weight: 600; margin-block: 1rem .25rem; }
input { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: .3rem;
  box-sizing: border-box; inline-size: 100%; padding: .5rem .6rem; }
button { font: inherit; font-weight: 600; color: var(--ground); background: var(--blue); border: 0; border-radius: .3rem;
  margin-block: 1.4rem; padding: .6rem 1.2rem; cursor: pointer; }
:focus-visible { outline: 3px solid var(--blue); outline-offset: 2px; } a { color: var(--blue); }
.hint { font-size: .92rem; margin-block: .2rem 0; } nav { border-block-start: 1px solid var(--line); margin-block-start: 2rem;
  padding-block-start: .8rem; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; }
.error { border: 1px solid var(--red); border-inline-start-width: .4rem; border-radius: .3rem; padding: .5rem .8rem; color: var(--red); }
"""
