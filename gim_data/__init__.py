"""What a label is: video -> shots -> frames -> matches -> tracks -> training pairs; benchmarks and synthetic worlds.

Nothing in this package imports torch at import time, and nothing in it imports ``gim_models`` or ``orchestration``.
"""
