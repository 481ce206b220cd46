"""What is said about templates, and how they are read from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postroom.templates.folder import TemplatesError, read_folder
from postroom.templates.lint import lint, variables
from postroom.templates.template import Template
from tests.unit.templates.test_rendering import template

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "templates"


def said(**changes: Any) -> list[str]:
    return [f"{each.level} {each.part}: {each.sentence}" for each in lint(template(**changes))]


def test_a_good_template_gets_no_word() -> None:
    page = '<p><img src="cid:logo" alt="Logo"> <a href="{{ unsubscribe }}">x</a> {{ signature|breaks }}</p>'
    assert said(text="Hello {{ name }}", html=page, sample={"name": "Anna"}) == []


def test_the_examples_in_the_documentation_are_good() -> None:
    assert [lint(each) for each in read_folder(EXAMPLES)] == [[]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"text": "{{ name }} {{ other }}"}, "error text: the variable name has no sample value"),
        ({"text": "{{ name }} {{ other }}"}, "error text: the variable other has no sample value"),
        (
            {"text": "{{ a.b }}", "sample": {"a": {}}},
            "error text: with the sample values: line 1: the variable",
        ),
        ({"text": "{% if %}"}, "error text: line 1: Expected an expression"),
        ({"subject": "a\nb"}, "error subject: it has a line break or a control character"),
        ({"subject": "{{ x }}", "sample": {"x": "a\r\nBcc: b"}}, "error subject: it has a line break"),
        ({"subject": "{{ x }}", "sample": {"x": " "}}, "error subject: with the sample values: it is empty"),
        ({"subject": "x" * 201}, "warning subject: it is long"),
        ({"text": "", "html": "<p>x</p>"}, "warning text: there is none"),
        ({"text": "", "html": "<img>"}, "error text: it is empty"),
        (
            {"html": "{{ x|safe }}", "sample": {"x": "y"}},
            "warning html: line 1: |safe puts a value in unescaped",
        ),
        ({"html": "<p>\n<img src='cid:x'></p>"}, 'warning html: an image has no alt="…"'),
        (
            {"html": "<img alt='' src='https://x.example/a.png'>"},
            "warning html: an image is loaded from the web",
        ),
        ({"text": "see http://x.example"}, "warning text: a link begins with http://"),
        (
            {"html": "<p>\n<a title={{ recipient }}>x</a></p>"},
            "error html: line 2: put the attribute in quotes",
        ),
        ({"html": "<script>x</script>a"}, "error html: line 1: mail programs run no scripts"),
        ({"html": "<p onclick='x'>a</p>"}, "error html: line 1: mail programs run no scripts"),
        ({"html": '<a href="{{ recipient }}">a</a>'}, "warning html: line 1: a link that is a value"),
    ],
)
def test_what_is_wrong_or_unwise_is_said(changes: dict[str, Any], expected: str) -> None:
    assert any(each.startswith(expected) for each in said(**changes)), said(**changes)


def test_a_name_that_a_template_can_do_without_needs_no_sample() -> None:
    assert said(text="{% if x is defined %}{{ x }}{% endif %}{{ y|default('-') }}") == []


def test_the_names_that_a_part_needs_are_known() -> None:
    assert variables(
        template(text="{{ a.b }}{% for c in d %}{{ c }}{{ loop.index }}{% endfor %}"), "text"
    ) == {
        "a",
        "d",
    }


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (path / f"{stem}.{suffix}").write_text(text)
    return path


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    head = "subject: Hello {{ name }}\naccount: shop\ndefault: true\nsample: {name: Anna}\n"
    (read,) = read_folder(folder(tmp_path, hello_yaml=head, hello_txt="Hi\r\n", hello_html="<p>Hi</p>"))
    assert read == Template(
        name="hello",
        subject="Hello {{ name }}",
        text="Hi\n",
        html="<p>Hi</p>",
        account="shop",
        is_default=True,
        sample={"name": "Anna"},
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "has no templates"),
        ({"a_yaml": "subject: x"}, "a.yaml: text or html must be given, or both"),
        (
            {"a_yaml": "text: x", "a_txt": "x"},
            "a.yaml: text: is not a setting; allowed here: subject, account",
        ),
        ({"a_yaml": "{", "a_txt": "x"}, "a.yaml: is no YAML in line 1"),
        ({"a_yaml": "[]", "a_txt": "x"}, "a.yaml: must have the key subject"),
        ({"a_yaml": "default: true", "a_txt": "x"}, "a.yaml: subject: is missing"),
        ({"a_yaml": "subject: x\ndefault: maybe", "a_txt": "x"}, "a.yaml: default: must be true or false"),
        (
            {"a_yaml": "subject: x\nsample: {signature: x}", "a_txt": "x"},
            "sample: signature is what Postroom",
        ),
        ({"a_yaml": "subject: &x y\nsample: {z: *x}", "a_txt": "x"}, "a.yaml: aliases (*) are not allowed"),
        (
            {"b_txt": "x", "a_yaml": "subject: x", "a_txt": "x"},
            "b.txt: belongs to no template: there is no b.yaml",
        ),
        ({"A_yaml": "subject: x", "A_txt": "x"}, "A.yaml: name:"),
    ],
)
def test_a_wrong_folder_is_refused_with_the_file(
    tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    with pytest.raises(TemplatesError) as caught:
        read_folder(folder(tmp_path, **files))
    assert expected in str(caught.value)


def test_two_defaults_of_one_account_are_refused(tmp_path: Path) -> None:
    head = "subject: x\ndefault: true\n"
    with pytest.raises(TemplatesError, match="a and b are both the default of all accounts"):
        read_folder(folder(tmp_path, a_yaml=head, a_txt="x", b_yaml=head, b_txt="x"))
