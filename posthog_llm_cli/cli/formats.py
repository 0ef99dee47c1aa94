"""`plh formats`: the known formats, or one of them with its smallest record."""

from typing import Annotated

import typer

from posthog_llm_cli.errors import ConfigError

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="One format's page.", show_default=False)]


def formats(name: Name = None) -> None:
    """List the known formats; with NAME how one is recognised, and its smallest record.

    Examples:
      plh formats
      plh formats litellm
    """
    from posthog_llm_cli.formats import FORMATS  # noqa: PLC0415 - `plh --version` needs none of them

    known = {form.name: form for form in FORMATS}
    if name is None:
        width = max(map(len, known))
        typer.echo("\n".join(f"{form.name:<{width}}  {form.title}" for form in FORMATS))
        return
    if name not in known:
        raise _unknown(name, tuple(known))
    form = known[name]
    typer.echo(
        f"{form.name}: {form.title}\n\nrecognised by\n  {form.recognised_by}\n\nsmallest record\n  {form.smallest}"
    )


def _unknown(name: str, known: tuple[str, ...]) -> ConfigError:
    from posthog_llm_cli.config.values import nearest  # noqa: PLC0415 - with its time zones

    return ConfigError(
        f"expected one of {', '.join(known)} and found {name!r}", hint=f"nearest is {nearest(name, known)}"
    )
