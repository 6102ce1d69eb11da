"""What every section of the configuration has in common."""

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """A frozen part of the configuration; keys that it does not know are faults."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section a field stands for, or None where it is a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
