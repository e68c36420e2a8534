"""The sub-commands of ``gim``, one file per topic; each imports what it needs when it runs."""
