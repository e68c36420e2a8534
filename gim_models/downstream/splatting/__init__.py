"""Gaussian splatting: a map of images becomes a scene that can be seen from anywhere (Kerbl et al., SIGGRAPH 2023)."""
