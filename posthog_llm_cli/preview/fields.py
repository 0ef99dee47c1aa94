"""Which fields of a record tell a property, where no call of the log does: what a reader may look for in its logs."""


def fields_of(_format: str, _property: str) -> tuple[str, ...]:
    """Return the fields of a record of this format that would tell the property; empty where no field could."""
    return ()
