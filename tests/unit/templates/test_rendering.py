"""What templates make of values, and what they cannot be made to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.templates.language import MAX_OUTPUT_CHARS
from postroom.templates.rendering import TemplateFault, render
from postroom.templates.template import Template, default_of


def template(**changes: Any) -> Template:
    return Template.model_validate({"name": "order", "subject": "Order", "text": "Hello\n", **changes})


def text_of(source: str, **values: Any) -> str:
    return render(template(text=source), values).text


def fault_of(source: str, part: str = "text", **values: Any) -> str:
    with pytest.raises(TemplateFault) as caught:
        render(template(**{part: source}), values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "values", "expected"),
    [
        ("Hi {{ name }}", {"name": "Anna"}, "Hi Anna"),
        ("{{ order.items }}", {"order": {"items": 3}}, "3"),
        ("{{ order['a b'] }} {{ lines[1] }}", {"order": {"a b": 1}, "lines": ["x", "y"]}, "1 y"),
        ("{% for a in l %}{{ loop.index }}{{ a }}{% else %}none{% endfor %}", {"l": ["x", "y"]}, "1x2y"),
        ("{% for a in l %}{{ a }}{% else %}none{% endfor %}", {"l": []}, "none"),
        ("{{ x|default('none') }}{% if x is defined %}!{% endif %}", {}, "none"),
        ("{{ l|join(', ') }} = {{ l|sum }}", {"l": [1, 2]}, "1, 2 = 3"),
        ("{{ price * 3 + 1 }} {{ 2.5|fixed(2) }}", {"price": 2}, "7 2.50"),
        ("{{ a + b }}", {"a": "x", "b": "y"}, "xy"),
        ("{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}", {"d": {"b": 1, "a": 2}}, "a=2;b=1;"),
        ("<b>{{ x }}</b>", {"x": "<&>"}, "<b><&></b>"),
    ],
)
def test_values_stand_where_their_names_were(source: str, values: dict[str, Any], expected: str) -> None:
    assert text_of(source, **values) == expected


def test_values_are_escaped_in_html_and_nowhere_else() -> None:
    bad = "<script>\"'&"
    made = render(
        template(subject="{{ x }}", text="{{ x }}", html='<p title="{{ x }}">{{ x }}</p>'), {"x": bad}
    )
    assert (made.subject, made.text) == (bad, bad)
    assert made.html == '<p title="&lt;script&gt;&#34;&#39;&amp;">&lt;script&gt;&#34;&#39;&amp;</p>'


@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_a_name_without_a_value_is_an_error_that_names_template_part_line_and_name(part: str) -> None:
    assert fault_of("{{ nobody }}", part) == (
        f"template order, {part}: line 1: the variable nobody has no value"
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("\n{{ order.date }}", "line 2: the variable ….date has no value"),
        ("{{ order[secret] }}", "line 1: an item that is looked up with [ ] is not there"),
        ("{% for a in nothing %}{% endfor %}", "line 1: the variable nothing has no value"),
        ("{{ order }}", "only texts and numbers can be written"),
        ("{{ none }}", "only texts and numbers can be written"),
        ("{{ secret + 1 }}", "+ is for numbers, and + for two texts as well"),
        ("{{ 1 / 0 }}", "(ZeroDivisionError)"),
        ("{{ secret|link }}", "a link must begin with https://, http:// or mailto:"),
        ("{{ secret|round }}", "a value is not of the kind that is needed"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_that_does_not_repeat_it(source: str, said: str) -> None:
    fault = fault_of(source, order={}, secret="giraffe", none=None)
    assert said in fault
    assert "giraffe" not in fault


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ x", "line 1: "),
        ("{{ ''.__class__ }}", "the variable ….__class__ has no value"),
        ("{{ x.__class__.__mro__ }}", "the variable ….__class__ has no value"),
        ("{{ x['__class__'] }}", "is not there"),
        ("{{ x|attr('__class__') }}", "there is no filter attr; there are abs, "),
        ("{{ x|map('upper') }}", "there is no filter map"),
        ("{{ x.format(1) }}", "nothing can be called here"),
        ("{{ range(9) }}", "nothing can be called here"),
        ("{{ lipsum }}", "the variable lipsum has no value"),
        ("{{ self }}", "only texts and numbers can be written"),
        ("{% for a in [1] %}{{ loop }}{% endfor %}", "only texts and numbers can be written"),
        ("{% for a in [1] %}{{ loop.cycle }}{% endfor %}", "has no value"),
        ("{% set x = 1 %}", "nothing can be set here"),
        ("{% set x %}a{% endset %}", "nothing can be set here"),
        ("{% include '/etc/passwd' %}", "no other file can be included"),
        ("{% import 'a' as b %}", "no other file can be imported"),
        ("{% from 'a' import b %}", "no other file can be imported"),
        ("{% extends 'a' %}", "no other template can be extended"),
        ("{% macro a() %}{{ a() }}{% endmacro %}", "there are no macros"),
        ("{% block a %}{% endblock %}", "block is not allowed"),
        ("{% filter upper %}x{% endfilter %}", "is not allowed"),
        ("{{ x|join(*y) }}", "arguments with * are not allowed"),
        ("{% for a in l recursive %}{{ loop(a) }}{% endfor %}", "not"),
    ],
)
def test_what_is_not_in_the_language_is_refused(source: str, said: str) -> None:
    assert said in fault_of(source, x="text")


BIG = ["x" * 1000] * 100


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in l %}{% for b in l %}{% for c in l %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in l %}{% for b in l %}{{ t }}{% endfor %}{% endfor %}",
        "{{ l|join(t) }}{{ l|join(t) }}{{ l|join(t) }}",
        "{{ 'a' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ 'x'|indent(1000000000) }}",
        "{{ t|replace('x', t) }}",
        "{{ 'x'|wordwrap(1) }}",
        "{{ lipsum(n=100000) }}",
        "{{ 999999999999999 * 999999999999999 * 999999999999999 }}",
        "{{" + "(" * 3000 + "1" + ")" * 3000 + "}}",
        "{% for a in l %}" * 21 + "{% endfor %}" * 21,
        "{% if 1 %}" * 2000 + "{% endif %}" * 2000,
        "{{" + "-" * 3000 + "1 }}",
    ],
    ids=lambda source: source[:30],
)
def test_a_template_cannot_run_long_or_grow_large(source: str) -> None:
    assert fault_of(source, l=BIG, t="x" * 10_000)


def test_the_steps_of_a_mail_are_its_own() -> None:
    source = "{% for a in l %}{{ a }}{% endfor %}"
    for _ in range(3):
        assert len(text_of(source, l=["x"] * 9000)) == 9000


def test_all_output_of_a_part_together_is_bounded() -> None:
    assert "1,000,000 characters" in fault_of("{{ a }}{{ a }}", a="x" * (MAX_OUTPUT_CHARS // 2 + 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=10,
)


@given(value=JSON)
def test_whatever_the_values_are_there_is_a_mail_or_a_fault(value: Any) -> None:
    source = (
        "{{ x }}{{ x.a }}{% for a in x %}{{ a|upper }}{% endfor %}{{ x|length }}{{ x[0] + 1 }}{{ x|sort }}"
    )
    for piece in (source, "{{ x|default('') }}", "{{ x|join(x) }}", "{{ x|fixed(x) }}", "{{ x * x }}"):
        try:
            render(template(text=piece, html=piece), {"x": value})
        except TemplateFault as fault:
            assert "\n" not in str(fault)


def test_a_text_is_made_from_the_html_part_where_there_is_none() -> None:
    page = "<h1>Hello {{ n }}</h1><p>See <a href='https://example.com/{{ n }}'>this</a>.</p>"
    assert render(template(text="", html=page), {"n": "<Anna>"}).text == (
        "Hello <Anna>\n\nSee this <https://example.com/<Anna>>.\n"
    )


def test_the_default_is_the_accounts_own_or_that_of_all() -> None:
    all_, own = template(is_default=True), template(name="own", account="shop", is_default=True)
    assert default_of([all_, own], "shop") == own
    assert default_of([all_, own], "other") == all_
    assert default_of([own, template()], None) is None
