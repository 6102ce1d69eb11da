"""The base class of all sections of the configuration."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

# The half of narrows that reads a setting.
Half = Literal["training", "run", "both"]


class Section(BaseModel):
    """A frozen part of the configuration; keys that it does not know are faults.

    Attributes of the class:
        acts: the half of narrows that reads the section.
        acts_apart: the half that reads a setting, by name, where it differs from `acts`.
        amendable: the settings that `narrows models amend` changes without training, by name.

    Each section says in its docstring what it is about; each field has a description, which the README shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    acts: ClassVar[Half] = "training"
    acts_apart: ClassVar[dict[str, Half]] = {}
    amendable: ClassVar[tuple[str, ...]] = ()


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section that a field stands for; None where it is a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None
