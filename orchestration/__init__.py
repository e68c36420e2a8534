"""How and when the stages run: the ``gim`` command, Dagster assets, the rendered ``dvc.yaml``; no logic of its own."""
