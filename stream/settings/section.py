"""What all sections of the configuration have in common."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

Half = Literal["training", "run", "both"]


class Section(BaseModel):
    """A frozen part of the configuration; keys that it does not know are faults.

    Class attributes:
        acts: the half of narrows that reads the section.
        acts_apart: settings that another half reads, by their names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    acts: ClassVar[Half] = "training"
    acts_apart: ClassVar[dict[str, Half]] = {}


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section a field stands for, or None where it is a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None
