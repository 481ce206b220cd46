"""What pydantic found wrong, as a sentence for a person that goes on after the field's name (pure).

Values are never repeated: what is wrong may be a password in the wrong place.
"""

from pydantic_core import ErrorDetails

_SENTENCES = {
    "missing": "is missing",
    "none_required": "must be left out or be given a value",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of less than 20 digits",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be a text: put it in quotes if it looks like something else",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "path_type": "must be a path",
    "model_type": "must be a section with settings",
    "model_attributes_type": "must be a section with settings",
    "dict_type": "must be a section with settings",
    "tuple_type": "must be a list",
    "too_short": "must have at least {min_length} in it",
    "literal_error": "must be one of {expected}",
    "greater_than_equal": "must be at least {ge:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
}


def sentence(details: ErrorDetails) -> str:
    """The sentence for one fault, such as `must be at most 65535`."""
    known = _SENTENCES.get(details["type"])
    if known is not None:
        return known.format(**details.get("ctx", {}))
    return details["msg"].removeprefix("Value error, ")
