"""Parametric objects of seven categories, made from a seed: the data set that needs no network."""
