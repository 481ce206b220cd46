"""Messages made of what a person typed."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from postroom.client import RequestRefused
from postroom.envelope import explain

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], **fields: Any) -> Model:
    """The message. Raises RequestRefused, which names the field, if a field is wrong."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        field, _, reason = explain(error).split("; ")[0].partition(": ")
        raise RequestRefused(field, reason) from error
