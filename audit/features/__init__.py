"""Sparse autoencoders (SAEs) of a model's residual stream, and what their latents show across languages and cultures.

Importing this package needs neither torch nor sae-lens; its modules do.
"""
