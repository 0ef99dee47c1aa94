"""What models, errors and records are called in the page, and by what the table of traces is asked for them. Pure."""

from pathlib import PurePath

from posthog_llm_cli.model import SourceRef
from posthog_llm_cli.page.facts import error_name, plain, short
from posthog_llm_cli.preview.figures import ErrorFigures, ModelFigures


def source(ref: SourceRef) -> str:
    """Return where a record is, in short: its file's name and its line."""
    return plain(f"{PurePath(ref.uri).name or ref.uri}:{ref.line}")


def model_name(model: ModelFigures) -> str:
    """Return what a row of the models is called."""
    return "(all other models)" if model.is_rest else short(model.model) or "(no model)"


def model_filter(model: ModelFigures) -> str | None:
    """Return the model by which its traces are asked for, None where the row stands for several or for none."""
    return None if model.is_rest else short(model.model)


def kind_name(kind: ErrorFigures) -> str:
    """Return what a row of the errors is called."""
    return "(all other kinds)" if kind.is_rest else error_name(kind.type)
