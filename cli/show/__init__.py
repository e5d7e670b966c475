"""How reports look to a person: Structs of ``models.report`` in, rich renderables out. Pure; prints nothing."""
